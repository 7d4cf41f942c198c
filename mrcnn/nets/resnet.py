"""ResNet-18/34/50/101 (He et al. 2015), with the layer names Matterport checkpoints hold.

Shapes: B images, H/W pixels, C channels. Strides of C1..C5: 4 (after pooling), 4, 8, 16, 32.
"""

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


def _conv_bn(x, filters, kernel, suffix, train_bn, strides=1, relu=True):
    """Convolution `res<suffix>`, batch-norm `bn<suffix>`, relu."""
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", name=f"res{suffix}")(x)
    x = BatchNorm(train_bn=train_bn, name=f"bn{suffix}")(x)
    return layers.Activation("relu")(x) if relu else x


def _bottleneck(x, width, block, strides, train_bn):
    """1x1 (strided), 3x3, 1x1 to four times the width."""
    x = _conv_bn(x, width, 1, f"{block}_branch2a", train_bn, strides)
    x = _conv_bn(x, width, 3, f"{block}_branch2b", train_bn)
    return _conv_bn(x, 4 * width, 1, f"{block}_branch2c", train_bn, relu=False)


def _basic(x, width, block, strides, train_bn):
    """3x3 (strided), 3x3."""
    x = _conv_bn(x, width, 3, f"{block}_branch2a", train_bn, strides)
    return _conv_bn(x, width, 3, f"{block}_branch2b", train_bn, relu=False)


def _residual_block(x, architecture, stage, index, width, train_bn):
    """One residual block; the first of a stage strides and projects its shortcut."""
    block = f"{stage}{chr(ord('a') + index)}"
    basic = architecture in BASIC
    strides = 2 if index == 0 and stage > 2 else 1
    branch = (_basic if basic else _bottleneck)(x, width, block, strides, train_bn)
    shortcut = x
    if index == 0 and not (basic and stage == 2):
        filters = width if basic else 4 * width
        name = f"{block}_branch1"
        shortcut = _conv_bn(x, filters, 1, name, train_bn, strides, relu=False)
    summed = layers.Add()([branch, shortcut])
    return layers.Activation("relu", name=f"res{block}_out")(summed)


def build_resnet(input_image, architecture, stage5=False, train_bn=True, width=64):
    """Build a ResNet on an image tensor.

    Args:
        input_image: [B, H, W, C] keras tensor, mean-subtracted.
        architecture: "resnet18", "resnet34", "resnet50" or "resnet101".
        stage5: whether C5 is built (otherwise it is None).
        train_bn: see `BatchNorm`.
        width: channels of the first stage; each later one has twice those of the one before.

    Returns:
        [C1, C2, C3, C4, C5], each [B, H / stride, W / stride, channels].

    Raises:
        ValueError: unknown architecture.
    """
    if architecture not in BLOCKS:
        raise ValueError(f"architecture = {architecture!r}: expected one of {sorted(BLOCKS)}")
    x = layers.ZeroPadding2D((3, 3))(input_image)
    x = layers.Conv2D(width, 7, strides=2, name="conv1")(x)
    x = BatchNorm(train_bn=train_bn, name="bn_conv1")(x)
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    features = [x]
    for stage, blocks in zip(STAGES, BLOCKS[architecture], strict=True):
        if stage == 5 and not stage5:
            features.append(None)
            break
        for index in range(blocks):
            x = _residual_block(x, architecture, stage, index, width * 2 ** (stage - 2), train_bn)
        features.append(x)
    return features
