"""The weights that a training starts from, found before anything slow begins."""

from dataclasses import dataclass

from mrcnn.commands.opening import COCO, Description, coco_school, coco_weights, describe
from mrcnn.engine.published import imagenet_path

IMAGENET, NONE = "imagenet", "none"
# What a network has to share with the weights it starts from, or is best left as it was.
ARCHITECTURE = (
    "BACKBONE", "BACKBONE_WIDTH", "TOP_DOWN_PYRAMID_SIZE", "FPN_CLASSIF_FC_LAYERS_SIZE",
    "RPN_CONV_CHANNELS", "MASK_CONV_CHANNELS", "POOL_SIZE", "MASK_SHAPE", "RPN_ANCHOR_SCALES",
    "RPN_ANCHOR_RATIOS", "RPN_ANCHOR_STRIDE", "IMAGE_CHANNEL_COUNT", "MEAN_PIXEL", "IMAGE_MEAN",
    "IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "IMAGE_RESIZE_MODE", "TRAIN_BN", "OPTIMIZER",
    "BBOX_STD_DEV", "RPN_BBOX_STD_DEV", "RESNET_STYLE", "BATCH_NORM_EPSILON", "HEADS_BATCH_NORM",
    "FEATURES", "BACKBONE_STRIDES", "BOX_NORMALIZATION", "RPN_ANCHOR_ROUNDING", "BBOX_XFORM_CLIP",
    "ROI_ALIGN", "ROI_ALIGN_SAMPLING_RATIO", "ROI_ALIGN_ALIGNED", "IMAGE_STD")


@dataclass
class Start:
    """Where the weights come from.

    Attributes:
        kind: "coco", "imagenet", "none" or "file".
        path: the file; None for random numbers.
        description: what the file says of itself; None for "imagenet" and "none".
    """

    kind: str
    path: str | None = None
    description: Description | None = None

    @property
    def is_detector(self):
        """True where more than the backbone is trained already."""
        return self.description is not None

    def knobs(self):
        """Settings that follow from the file: dict knob -> value."""
        if self.kind == IMAGENET:
            return {"BACKBONE": "resnet50"}
        if self.description is None:
            return {}
        config = self.description.config
        if config is not None:  # batch-norm that learns goes wrong on smaller batches
            batch = () if config.TRAIN_BN is False else ("IMAGES_PER_GPU",)
            return {name: getattr(config, name) for name in (*ARCHITECTURE, *batch)
                    if config.is_assigned(name)}
        return {"BACKBONE": self.description.backbone} if self.description.backbone else {}

    def knows(self, class_names):
        """True where the heads are for these classes, the background first."""
        ours = self.description.class_names if self.description else None
        return ours is not None and [*map(str, ours[1:])] == [*map(str, class_names[1:])]

    def __str__(self):
        if self.kind == NONE:
            return "random weights"
        names = {COCO: "trained on COCO", IMAGENET: "trained on ImageNet (the backbone alone)"}
        return f"{self.path}" + (f", {names[self.kind]}" if self.kind in names else "")


def is_download(name):
    """True for the published weights, which may have to be fetched first."""
    return name == IMAGENET or coco_school(name) is not None


def find_weights(name, style="matterport", backbone="resnet50"):
    """The file that `--weights` means; COCO's and ImageNet's are downloaded on first use.

    Args:
        name: "coco", "coco+paper", "coco+torchvision", "imagenet", "none", a weights file, or
            the folder of a run.
        style, backbone: RESNET_STYLE and BACKBONE, for published weights.

    Returns:
        Start.

    Raises:
        ConnectionError: they are not here and cannot be downloaded; says what else can be done.
        FileNotFoundError, ValueError: as `opening.describe`, and for a network for which none
            are published.
    """
    if name == NONE:
        return Start(NONE)
    if not is_download(name):
        description = describe(name)
        return Start("file", description.path, description)
    try:
        if name == IMAGENET:
            return Start(IMAGENET, imagenet_path(backbone, style))
        path = coco_weights(coco_school(name), backbone)
    except OSError as error:
        raise ConnectionError(
            f"--weights {name}: {error}\nWithout them: --weights FILE starts from a file of your "
            "own, --weights none from random numbers (--small learns fastest from those)"
        ) from error
    return Start(COCO, path, describe(path))
