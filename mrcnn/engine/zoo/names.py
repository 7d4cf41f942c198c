"""Which weight of torchvision's or detectron2's Mask R-CNN is which one here: the table.

A row is (their module, our layer, layout). A layout is a key of `layouts.LAYOUTS`: how the numbers
are laid out there. In a row {stage} and {level} are numbers that both name alike, {stage-1} counts
from one less there; {block} is a letter here and counts from 0 there; {part} is a letter and
counts from 1.
"""

import re

TORCHVISION = (
    ("backbone.body.conv1", "conv1", "conv"),
    ("backbone.body.bn1", "bn_conv1", "norm"),
    ("backbone.body.layer{stage-1}.{block}.conv{part}", "res{stage}{block}_branch2{part}", "conv"),
    ("backbone.body.layer{stage-1}.{block}.bn{part}", "bn{stage}{block}_branch2{part}", "norm"),
    ("backbone.body.layer{stage-1}.{block}.downsample.0", "res{stage}{block}_branch1", "conv"),
    ("backbone.body.layer{stage-1}.{block}.downsample.1", "bn{stage}{block}_branch1", "norm"),
    ("backbone.fpn.inner_blocks.{level-2}.0", "fpn_c{level}p{level}", "conv"),
    ("backbone.fpn.inner_blocks.{level-2}", "fpn_c{level}p{level}", "conv"),  # before 0.13
    ("backbone.fpn.layer_blocks.{level-2}.0", "fpn_p{level}", "conv"),
    ("backbone.fpn.layer_blocks.{level-2}", "fpn_p{level}", "conv"),
    ("rpn.head.conv.0.0", "rpn_model/rpn_conv_shared", "conv"),
    ("rpn.head.conv", "rpn_model/rpn_conv_shared", "conv"),
    ("rpn.head.cls_logits", "rpn_model/rpn_class_raw", "objectness"),
    ("rpn.head.bbox_pred", "rpn_model/rpn_bbox_pred", "anchor deltas"),
    ("roi_heads.box_head.fc6", "mrcnn_class_conv1", "dense on a patch"),
    ("roi_heads.box_head.fc7", "mrcnn_class_conv2", "dense as conv"),
    ("roi_heads.box_predictor.cls_score", "mrcnn_class_logits", "dense"),
    ("roi_heads.box_predictor.bbox_pred", "mrcnn_bbox_fc", "box deltas"),
    ("roi_heads.mask_head.{index-1}.0", "mrcnn_mask_conv{index}", "conv"),
    ("roi_heads.mask_head.mask_fcn{index}", "mrcnn_mask_conv{index}", "conv"),
    ("roi_heads.mask_predictor.conv5_mask", "mrcnn_mask_deconv", "deconv"),
    ("roi_heads.mask_predictor.mask_fcn_logits", "mrcnn_mask", "conv"),
)

DETECTRON2 = (
    ("backbone.bottom_up.stem.conv1", "conv1", "conv on BGR"),
    ("backbone.bottom_up.stem.conv1.norm", "bn_conv1", "norm"),
    ("backbone.bottom_up.res{stage}.{block}.conv{part}", "res{stage}{block}_branch2{part}", "conv"),
    ("backbone.bottom_up.res{stage}.{block}.conv{part}.norm", "bn{stage}{block}_branch2{part}",
     "norm"),
    ("backbone.bottom_up.res{stage}.{block}.shortcut", "res{stage}{block}_branch1", "conv"),
    ("backbone.bottom_up.res{stage}.{block}.shortcut.norm", "bn{stage}{block}_branch1", "norm"),
    ("backbone.fpn_lateral{level}", "fpn_c{level}p{level}", "conv"),
    ("backbone.fpn_output{level}", "fpn_p{level}", "conv"),
    ("proposal_generator.rpn_head.conv", "rpn_model/rpn_conv_shared", "conv"),
    ("proposal_generator.rpn_head.objectness_logits", "rpn_model/rpn_class_raw", "objectness"),
    ("proposal_generator.rpn_head.anchor_deltas", "rpn_model/rpn_bbox_pred", "anchor deltas"),
    ("roi_heads.box_head.fc1", "mrcnn_class_conv1", "dense on a patch"),
    ("roi_heads.box_head.fc2", "mrcnn_class_conv2", "dense as conv"),
    ("roi_heads.box_predictor.cls_score", "mrcnn_class_logits", "dense, background last"),
    ("roi_heads.box_predictor.bbox_pred", "mrcnn_bbox_fc", "box deltas, no background"),
    ("roi_heads.mask_head.mask_fcn{index}", "mrcnn_mask_conv{index}", "conv"),
    ("roi_heads.mask_head.deconv", "mrcnn_mask_deconv", "deconv"),
    ("roi_heads.mask_head.predictor", "mrcnn_mask", "conv, no background"),
)

# What such files hold beside weights: numbers that follow from the settings.
NO_WEIGHTS = re.compile(
    r"(num_batches_tracked|\.cell_anchors\.\d+|^pixel_mean|^pixel_std|\.anchor_generator\..*)$")

_PLACE = re.compile(r"{(\w+)(?:-(\d))?}")
_FIRST = {"block": ord("a"), "part": ord("a") - 1}  # letters


def place_of(module, rows):
    """Our layer for one of their modules.

    Args:
        module: their name, without the weight's.
        rows: TORCHVISION or DETECTRON2.

    Returns:
        (layer, leaf, layout), or None where no row fits.
    """
    for theirs, ours, layout in rows:
        found = _pattern_of(theirs).fullmatch(module)
        if found:
            layer, _, leaf = ours.format(**_values(theirs, found)).rpartition("/")
            return layer or leaf, leaf, layout
    return None


def _pattern_of(theirs):
    pieces = _PLACE.split(theirs)  # text, name, offset, text, ...
    texts = [re.escape(text) for text in pieces[::3]]
    return re.compile("".join(
        text + (rf"(?P<{name}>\d+)" if name else "")
        for text, name in zip(texts, [*pieces[1::3], None], strict=True)))


def _values(theirs, found):
    values = {}
    for name, offset in _PLACE.findall(theirs):
        number = int(found[name]) + int(offset or 0)
        values[name] = chr(_FIRST[name] + number) if name in _FIRST else number
    return values
