"""`mrcnn train` in this process, with a network that needs a second."""

from click.testing import CliRunner
from data.formats import tiny_sets
from e2e.tiny import TinyConfig

from mrcnn.cli import main

KNOBS = ("BACKBONE", "BACKBONE_WIDTH", "TOP_DOWN_PYRAMID_SIZE", "RPN_CONV_CHANNELS",
         "MASK_CONV_CHANNELS", "FPN_CLASSIF_FC_LAYERS_SIZE", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM",
         "RPN_TRAIN_ANCHORS_PER_IMAGE", "PRE_NMS_LIMIT", "POST_NMS_ROIS_TRAINING",
         "POST_NMS_ROIS_INFERENCE", "TRAIN_ROIS_PER_IMAGE", "MINI_MASK_SHAPE")


def tiny_yaml(folder, **more):
    """Path of a YAML file with the knobs of TinyConfig that make it small."""
    values = {**{knob: getattr(TinyConfig, knob) for knob in KNOBS}, "IMAGES_PER_GPU": 1, **more}
    path = folder / "tiny.yaml"
    path.write_text("".join(f"{knob}: {list(value) if isinstance(value, tuple) else value}\n"
                            for knob, value in values.items()))
    return str(path)


def labelme_folder(folder, count, label="cat"):
    """labelme files of one square an image."""
    for number in range(count):
        tiny_sets.image(folder / f"{number}.png", number)
        tiny_sets.write(folder / f"{number}.json", {
            "version": "5", "flags": {}, "imagePath": f"{number}.png", "imageData": None,
            "imageHeight": 24, "imageWidth": 24, "shapes": [
                {"label": label, "points": [[2, 2], [12, 2], [12, 12], [2, 12]],
                 "shape_type": "polygon", "flags": {}, "group_id": None}]})
    return folder


def run(*arguments):
    """(exit code, output) of `mrcnn` with these arguments."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    fine = result.exception is None or isinstance(result.exception, SystemExit)
    assert fine, result.exception
    return result.exit_code, result.output
