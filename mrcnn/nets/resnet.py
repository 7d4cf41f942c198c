"""ResNet-18/34/50/101 (He et al. 2015), with the layer names Matterport checkpoints hold.

Shapes: B images, H/W pixels, C channels. Strides of C1..C5: 4 (after pooling), 4, 8, 16, 32.
"""

from dataclasses import dataclass

from keras import layers

from mrcnn.layers.batch_norm import BatchNorm

BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
BASIC = ("resnet18", "resnet34")  # two 3x3 convolutions a block instead of a bottleneck
STAGES = (2, 3, 4, 5)
STYLES = ("matterport", "caffe", "pytorch")


@dataclass(frozen=True)
class _Parts:
    """How convolutions and batch-norm are made.

    Attributes:
        style: Config.RESNET_STYLE.
        train_bn, epsilon: of `BatchNorm`.
    """

    style: str
    train_bn: bool | None
    epsilon: float

    @property
    def symmetric(self):
        """Padding alike on all sides, and no biases before batch-norm."""
        return self.style != "matterport"

    @property
    def strided_3x3(self):
        """Whether a bottleneck strides in its 3x3 convolution, not in its first 1x1."""
        return self.style == "pytorch"

    def conv_bn(self, x, filters, kernel, suffix, strides=1, relu=True):
        """Convolution `res<suffix>`, batch-norm `bn<suffix>`, relu."""
        padding = "same"
        if self.symmetric and strides > 1 and kernel > 1:  # "same" would pad only at the end
            x, padding = layers.ZeroPadding2D(kernel // 2)(x), "valid"
        x = layers.Conv2D(filters, kernel, strides=strides, padding=padding,
                          use_bias=not self.symmetric, name=f"res{suffix}")(x)
        x = self.norm(f"bn{suffix}")(x)
        return layers.Activation("relu")(x) if relu else x

    def norm(self, name):
        """A batch-norm layer."""
        return BatchNorm(train_bn=self.train_bn, epsilon=self.epsilon, name=name)

    def stem(self, image, width):
        """7x7 convolution and 3x3 pooling: C1."""
        x = layers.ZeroPadding2D((3, 3))(image)
        x = layers.Conv2D(width, 7, strides=2, use_bias=not self.symmetric, name="conv1")(x)
        x = layers.Activation("relu")(self.norm("bn_conv1")(x))
        if self.symmetric:
            x = layers.ZeroPadding2D(1)(x)  # nothing is below zero behind the relu
            return layers.MaxPooling2D(3, strides=2)(x)
        return layers.MaxPooling2D(3, strides=2, padding="same")(x)


def _bottleneck(x, width, block, strides, parts):
    """1x1, 3x3, 1x1 to four times the width."""
    first, second = (1, strides) if parts.strided_3x3 else (strides, 1)
    x = parts.conv_bn(x, width, 1, f"{block}_branch2a", first)
    x = parts.conv_bn(x, width, 3, f"{block}_branch2b", second)
    return parts.conv_bn(x, 4 * width, 1, f"{block}_branch2c", relu=False)


def _basic(x, width, block, strides, parts):
    """3x3 (strided), 3x3."""
    x = parts.conv_bn(x, width, 3, f"{block}_branch2a", strides)
    return parts.conv_bn(x, width, 3, f"{block}_branch2b", relu=False)


def _residual_block(x, architecture, stage, index, width, parts):
    """One residual block; the first of a stage strides and projects its shortcut."""
    block = f"{stage}{chr(ord('a') + index)}"
    basic = architecture in BASIC
    strides = 2 if index == 0 and stage > 2 else 1
    branch = (_basic if basic else _bottleneck)(x, width, block, strides, parts)
    shortcut = x
    if index == 0 and not (basic and stage == 2):
        filters = width if basic else 4 * width
        shortcut = parts.conv_bn(x, filters, 1, f"{block}_branch1", strides, relu=False)
    summed = layers.Add()([branch, shortcut])
    return layers.Activation("relu", name=f"res{block}_out")(summed)


def build_resnet(input_image, architecture, stage5=False, train_bn=True, width=64,
                 style="matterport", epsilon=0.001):
    """Build a ResNet on an image tensor.

    Args:
        input_image: [B, H, W, C] keras tensor, mean-subtracted.
        architecture: "resnet18", "resnet34", "resnet50" or "resnet101".
        stage5: whether C5 is built (otherwise it is None).
        train_bn: see `BatchNorm`.
        width: channels of the first stage; each later one has twice those of the one before.
        style: "matterport": convolutions with biases, a bottleneck strides in its first 1x1,
            padding as TensorFlow's "same". "caffe": no biases, padding alike on all sides.
            "pytorch": as "caffe", but a bottleneck strides in its 3x3.
        epsilon: what batch-norm adds to the variance.

    Returns:
        [C1, C2, C3, C4, C5], each [B, H / stride, W / stride, channels].

    Raises:
        ValueError: unknown architecture or style.
    """
    if architecture not in BLOCKS:
        raise ValueError(f"architecture = {architecture!r}: expected one of {sorted(BLOCKS)}")
    if style not in STYLES:
        raise ValueError(f"style = {style!r}: expected one of {sorted(STYLES)}")
    parts = _Parts(style, train_bn, epsilon)
    x = parts.stem(input_image, width)
    features = [x]
    for stage, blocks in zip(STAGES, BLOCKS[architecture], strict=True):
        if stage == 5 and not stage5:
            features.append(None)
            break
        for index in range(blocks):
            x = _residual_block(x, architecture, stage, index, width * 2 ** (stage - 2), parts)
        features.append(x)
    return features
