"""The names that scripts hold in their hands, with the parameters they are called with.

A function may take more than Matterport's, after them and with defaults; none may be missing,
renamed or moved.
"""

import importlib
import inspect

import pytest

from mrcnn.config import Config

AP = "gt_boxes gt_class_ids gt_masks pred_boxes pred_class_ids pred_scores pred_masks"

UTILS = {
    "extract_bboxes": "mask",
    "compute_iou": "box boxes box_area boxes_area",
    "compute_overlaps": "boxes1 boxes2",
    "compute_overlaps_masks": "masks1 masks2",
    "non_max_suppression": "boxes scores threshold",
    "apply_box_deltas": "boxes deltas",
    "box_refinement": "box gt_box",
    "box_refinement_graph": "box gt_box",
    "Dataset": "class_map=None",
    "resize_image": "image min_dim=None max_dim=None min_scale=None mode='square'",
    "resize_mask": "mask scale padding crop=None",
    "minimize_mask": "bbox mask mini_shape",
    "expand_mask": "bbox mini_mask image_shape",
    "unmold_mask": "mask bbox image_shape",
    "generate_anchors": "scales ratios shape feature_stride anchor_stride",
    "generate_pyramid_anchors":
        "scales ratios feature_shapes feature_strides anchor_stride",
    "trim_zeros": "x",
    "compute_matches": f"{AP} iou_threshold=0.5 score_threshold=0.0",
    "compute_ap": f"{AP} iou_threshold=0.5",
    "compute_ap_range":
        "gt_box gt_class_id gt_mask pred_box pred_class_id pred_score pred_mask "
        "iou_thresholds=None verbose=1",
    "compute_recall": "pred_boxes gt_boxes iou",
    "batch_slice": "inputs graph_fn batch_size names=None",
    "download_trained_weights": "coco_model_path verbose=1",
    "norm_boxes": "boxes shape",
    "denorm_boxes": "boxes shape",
    "resize":
        "image output_shape order=1 mode='constant' cval=0 clip=True preserve_range=False "
        "anti_aliasing=False anti_aliasing_sigma=None",
}

DATASET = {
    "add_class": "source class_id class_name",
    "add_image": "source image_id path",
    "image_reference": "image_id",
    "prepare": "class_map=None",
    "map_source_class_id": "source_class_id",
    "get_source_class_id": "class_id source",
    "source_image_link": "image_id",
    "load_image": "image_id",
    "load_mask": "image_id",
}

MODEL = {
    "log": "text array=None",
    "compute_backbone_shapes": "config image_shape",
    "resnet_graph": "input_image architecture stage5=False train_bn=True",
    "load_image_gt":
        "dataset config image_id augment=False augmentation=None use_mini_mask=False",
    "build_rpn_targets": "image_shape anchors gt_class_ids gt_boxes config",
    "build_detection_targets": "rpn_rois gt_class_ids gt_boxes gt_masks config",
    "generate_random_rois": "image_shape count gt_class_ids gt_boxes",
    "DataGenerator":
        "dataset config shuffle=True augmentation=None random_rois=0 detection_targets=False",
    "data_generator":
        "dataset config shuffle=True augment=False augmentation=None random_rois=0 batch_size=1 "
        "detection_targets=False no_augmentation_sources=None",
    "compose_image_meta":
        "image_id original_image_shape image_shape window scale active_class_ids",
    "parse_image_meta": "meta",
    "parse_image_meta_graph": "meta",
    "mold_image": "images config",
    "unmold_image": "normalized_images config",
    "MaskRCNN": "mode config model_dir",
    "BatchNorm": "",
    "ProposalLayer": "proposal_count nms_threshold",
    "PyramidROIAlign": "pool_shape",
    "DetectionTargetLayer": "",
    "DetectionLayer": "",
}

MASK_RCNN = {
    "train":
        "train_dataset val_dataset learning_rate epochs layers augmentation=None "
        "custom_callbacks=None no_augmentation_sources=None",
    "detect": "images verbose=0",
    "detect_molded": "molded_images image_metas verbose=0",
    "load_weights": "filepath by_name=False exclude=None",
    "find_last": "",
    "set_log_dir": "model_path=None",
    "get_imagenet_weights": "",
    "set_trainable": "layer_regex keras_model=None indent=0 verbose=1",
    "compile": "learning_rate momentum",
    "mold_inputs": "images",
    "unmold_detections": "detections mrcnn_mask original_image_shape image_shape window",
    "get_anchors": "image_shape",
    "ancestor": "tensor name checked=None",
    "find_trainable_layer": "layer",
    "get_trainable_layers": "",
    "run_graph": "images outputs image_metas=None",
    "build": "mode config",
}

VISUALIZE = {
    "display_images": "images titles=None cols=4 cmap=None norm=None interpolation=None",
    "random_colors": "N bright=True",
    "apply_mask": "image mask color alpha=0.5",
    "color_splash": "image mask",
    "display_instances":
        "image boxes masks class_ids class_names scores=None title='' figsize=(16,16) ax=None "
        "show_mask=True show_bbox=True colors=None captions=None",
    "display_instances_person":
        "image boxes masks class_ids class_names scores=None title='' figsize=(16,16) ax=None",
    "draw_segmentation": "image masks class_ids=None class_names=None classes=None",
    "display_differences":
        "image gt_box gt_class_id gt_mask pred_box pred_class_id pred_score pred_mask "
        "class_names title='' ax=None show_mask=True show_box=True iou_threshold=0.5 "
        "score_threshold=0.5",
    "draw_rois": "image rois refined_rois mask class_ids class_names limit=10",
    "draw_box": "image box color",
    "display_top_masks": "image mask class_ids class_names limit=4",
    "plot_precision_recall": "AP precisions recalls",
    "plot_overlaps": "gt_class_ids pred_class_ids pred_scores overlaps class_names threshold=0.5",
    "draw_boxes":
        "image boxes=None refined_boxes=None masks=None captions=None visibilities=None title='' "
        "ax=None",
    "display_table": "table",
    "display_weight_stats": "model",
}

CONFIG = {"display": "", "to_dict": "", "validate": ""}

PLACES = {
    "mrcnn.utils": UTILS,
    "mrcnn.utils:Dataset": DATASET,
    "mrcnn.model": MODEL,
    "mrcnn.model:MaskRCNN": MASK_RCNN,
    "mrcnn.visualize": VISUALIZE,
    "mrcnn.config:Config": CONFIG,
    "mrcnn.parallel_model": {"ParallelModel": "keras_model gpu_count"},
}
ALL = [(place, name, text) for place, names in PLACES.items() for name, text in names.items()]


def holder(place):
    module, _, name = place.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def parameters_of(function):
    """The parameters of a function or of a class's construction, without self."""
    if inspect.isclass(function):
        function = function.__init__
    return [item for item in inspect.signature(function).parameters.values()
            if item.name != "self"]


def mismatch(function, text):
    """None when `function` can be called as `text` says, else what is wrong."""
    found = parameters_of(function)
    wanted = [part.partition("=") for part in text.split()]
    for index, (name, has_default, default) in enumerate(wanted):
        if index >= len(found) or found[index].name != name:
            return f"parameter {index} is not {name!r}: {[item.name for item in found]}"
        if found[index].kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            return f"{name} cannot be given by position and by name"
        actual = found[index].default
        if has_default and repr(actual).replace(" ", "").replace('"', "'") != default:
            return f"{name} defaults to {actual!r}, not {default}"
        if not has_default and actual is not inspect.Parameter.empty:
            continue  # a default where Matterport has none takes nothing away
    for extra in found[len(wanted):]:
        plain = extra.kind in (extra.VAR_KEYWORD, extra.VAR_POSITIONAL)
        if not plain and extra.default is inspect.Parameter.empty:
            return f"{extra.name} is demanded beyond what scripts give"
    return None


@pytest.mark.parametrize(("place", "name", "text"), ALL, ids=[f"{a}.{b}" for a, b, _ in ALL])
def test_public_name_keeps_its_parameters(place, name, text):
    function = getattr(holder(place), name)
    if inspect.isclass(function) and not text:
        return  # a layer: it takes keywords, the name is what counts
    wrong = mismatch(function, text)
    assert wrong is None, f"{place} {name}: {wrong}"


@pytest.mark.parametrize("module", ["mrcnn.utils", "mrcnn.model", "mrcnn.parallel_model"])
def test_shims_say_what_they_offer(module):
    found = importlib.import_module(module)
    needed = {name for name in PLACES[module] if not name.startswith("_")}
    assert needed - set(found.__all__) == set()
    assert all(hasattr(found, name) for name in found.__all__)


def test_constants_and_attributes_scripts_read():
    from mrcnn import utils

    assert utils.COCO_MODEL_URL.endswith("mask_rcnn_coco.h5")
    for name in ("class_names", "class_ids", "num_classes", "num_images", "image_ids",
                 "image_info", "class_info", "sources", "source_class_ids",
                 "class_from_source_map", "image_from_source_map"):
        dataset = utils.Dataset()
        dataset.prepare()
        assert hasattr(dataset, name), name
    assert issubclass(Config, object)


# --- the comparison itself ------------------------------------------------------------------

@pytest.mark.parametrize(("function", "text", "message"), [
    (lambda a, b: 0, "a c", "parameter 1 is not 'c'"),
    (lambda a: 0, "a b", "parameter 1 is not 'b'"),
    (lambda a, b=1: 0, "a b=2", "b defaults to 1, not 2"),
    (lambda a, *, b=1: 0, "a b=1", "b cannot be given by position"),
    (lambda a, extra: 0, "a", "extra is demanded"),
])
def test_a_changed_signature_is_caught(function, text, message):
    assert message in mismatch(function, text)


@pytest.mark.parametrize(("function", "text"), [
    (lambda a, b=1: 0, "a b=1"), (lambda a, b=None, *, more=3, **rest: 0, "a b=None"),
    (lambda a=0: 0, "a"), (lambda size=(16, 16), text="": 0, "size=(16,16) text=''"),
])
def test_a_kept_signature_passes(function, text):
    assert mismatch(function, text) is None
