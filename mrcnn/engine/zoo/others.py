"""Models of other zoos that are not read here, told by the names of their weights."""

import re

READ = "torchvision's maskrcnn_resnet50_fpn or detectron2's mask_rcnn_R_50_FPN and R_101_FPN"

# (a name in it, what it is)
_OTHERS = (
    (r"roi_heads\.box_head\.\d\.0\.weight", "torchvision's maskrcnn_resnet50_fpn_v2 (or its "
     "fasterrcnn twin), whose heads and pyramid have batch-norm and more layers"),
    (r"roi_heads\.keypoint_.*", "a keypoint R-CNN"),
    (r"head\.classification_head\..*|head\.(cls|bbox)_(subnet|score).*", "a RetinaNet"),
    (r"roi_heads\.box_head\.\d\.fc\d\.weight", "a Cascade R-CNN of detectron2"),
    (r"sem_seg_head\..*", "a panoptic model of detectron2"),
    (r"roi_heads\.res5\..*", "a C4 model of detectron2, whose heads hold stage 5"),
    (r"(backbone\.)?bottom_up\..*conv\d_offset\..*|backbone\..*conv2_offset\..*",
     "a model of detectron2 with deformable convolutions"),
    (r"backbone\.(stem|res2)\..*", "a DC5 or C4 model of detectron2, without a pyramid"),
    (r"conv1_w|res2_0_branch2a_w|blobs", "a file of Caffe2"),
    (r"fc\.weight|classifier\.\d\.weight", "a classification network"),
    (r"stem\.conv1\.weight", "an ImageNet network of detectron2"),
    (r"backbone\.(features|body\.0)\..*", "a detector on a MobileNet or VGG"),
)


def other_model(names, shapes):
    """What a file is, where it is not read here.

    Args:
        names: of its weights.
        shapes: {name: shape}.

    Returns:
        A phrase, or None.
    """
    names = list(names)
    for pattern, what in _OTHERS:
        if any(re.fullmatch(pattern, name) for name in names):
            return what
    grouped = shapes.get("backbone.bottom_up.res2.0.conv2.weight") or shapes.get(
        "backbone.body.layer1.0.conv2.weight")
    if grouped and grouped[0] != grouped[1]:
        return "a detector on a ResNeXt, whose convolutions are grouped"
    if any(name.startswith(("roi_heads.box_predictor", "roi_heads.box_head")) for name in names):
        if not any(name.startswith("roi_heads.mask_head") for name in names):
            return "a Faster R-CNN, without a mask head"
    return None
