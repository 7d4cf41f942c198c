"""Feature pyramid (Lin et al. 2017): C2..C5 -> P2..P6, each with the same channel count.

Or no pyramid: C4 alone.
"""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mrcnn")
class CropToMatch(layers.Layer):
    """Cut a map [B, h, w, C] to the height and width of a second one.

    Doubling the ceiling of an odd size is one too many; cutting that row or column lets
    the pyramid take images of any size. It does nothing at multiples of 64.
    """

    def call(self, inputs):
        """[map, reference] -> map."""
        feature_map, reference = inputs
        shape = ops.shape(reference)
        return feature_map[:, : shape[1], : shape[2], :]

    def compute_output_shape(self, input_shape):
        """Size of the reference, channels of the map."""
        return (*input_shape[1][:3], input_shape[0][-1])


def build_fpn(c2, c3, c4, c5, size):
    """Top-down pathway with lateral connections.

    Args:
        c2, c3, c4, c5: [B, h, w, C] of strides 4, 8, 16, 32.
        size: channels of every pyramid level.

    Returns:
        [P2, P3, P4, P5, P6]; P6 (stride 64) is P5 subsampled, for the RPN only.
    """
    top = layers.Conv2D(size, 1, name="fpn_c5p5")(c5)
    merged = {5: top}
    for level, lateral in ((4, c4), (3, c3), (2, c2)):
        upsampled = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(top)
        lateral = layers.Conv2D(size, 1, name=f"fpn_c{level}p{level}")(lateral)
        upsampled = CropToMatch(name=f"fpn_p{level + 1}cropped")([upsampled, lateral])
        top = layers.Add(name=f"fpn_p{level}add")([upsampled, lateral])
        merged[level] = top
    maps = [
        layers.Conv2D(size, 3, padding="same", name=f"fpn_p{level}")(merged[level])
        for level in (2, 3, 4, 5)
    ]
    return [*maps, layers.MaxPooling2D(1, strides=2, name="fpn_p6")(maps[-1])]


def build_single_level(c4, size):
    """The features of one stride, without a pyramid (Config.FEATURES "c4").

    Args:
        c4: [B, h, w, C] of stride 16.
        size: channels wanted.

    Returns:
        [one map [B, h, w, size]], for the RPN and the heads.
    """
    return [layers.Conv2D(size, 1, name="features_c4")(c4)]
