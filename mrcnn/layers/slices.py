"""Small weightless layers that cut or rescale tensors between the larger ones.

Shapes: B images, N boxes, D detections, R rois, C classes, M numbers in an image's meta.
"""

import keras
from keras import ops

from mrcnn.layers.tensor_boxes import norm_boxes

META_SIZE = 12  # numbers of an image_meta row before the active class ids


@keras.saving.register_keras_serializable(package="mrcnn")
class NormalizeBoxes(keras.layers.Layer):
    """[boxes [B, N, 4] pixels, images [B, H, W, C]] -> [B, N, 4] normalised.

    Zero rows (padding) stay zero.

    Args:
        edges: what 0 and 1 mean, see `geometry.boxes`.
    """

    def __init__(self, edges=False, **kwargs):
        super().__init__(**kwargs)
        self.edges = bool(edges)

    def call(self, inputs):
        """See the class."""
        boxes, images = inputs
        size = ops.stack([ops.cast(n, "float32") for n in ops.shape(images)[1:3]])
        boxes = ops.cast(boxes, "float32")
        is_padding = ops.all(ops.equal(boxes, 0.0), axis=-1, keepdims=True)
        return ops.where(is_padding, 0.0, norm_boxes(boxes, size, self.edges))

    def compute_output_shape(self, input_shape):
        """That of the boxes."""
        return input_shape[0]

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {**super().get_config(), "edges": self.edges}


@keras.saving.register_keras_serializable(package="mrcnn")
class BoxesOfDetections(keras.layers.Layer):
    """Detections [B, D, 6] -> their boxes [B, D, 4]."""

    def call(self, inputs):
        """See the class."""
        return inputs[..., :4]

    def compute_output_shape(self, input_shape):
        """[B, D, 4]."""
        return (*input_shape[:2], 4)


@keras.saving.register_keras_serializable(package="mrcnn")
class FirstRows(keras.layers.Layer):
    """The first `count` rows: [B, R, ...] -> [B, count, ...]."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = int(count)

    def call(self, inputs):
        """See the class."""
        return inputs[:, : self.count]

    def compute_output_shape(self, input_shape):
        """[B, count, ...]."""
        return (input_shape[0], min(self.count, input_shape[1]), *input_shape[2:])

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="mrcnn")
class ActiveClasses(keras.layers.Layer):
    """image_meta [B, M] -> [B, C], 1 for each class the image's data set knows."""

    def call(self, inputs):
        """See the class."""
        return inputs[:, META_SIZE:]

    def compute_output_shape(self, input_shape):
        """[B, C]."""
        return (input_shape[0], input_shape[1] - META_SIZE)
