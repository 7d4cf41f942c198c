"""A file in detectron2's format answers here as its network does there."""

import numpy as np
import pytest
from agreement import check_heads, check_trunk, our_answers
from detectron2_twin import answers, detectron2_model, write_pkl

from mrcnn.data.image_files import read_image
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.presets import PaperConfig

CLASSES = 5
PROPOSALS, DETECTIONS = 60, 15  # enough to compare, and their network runs slowly here


class RandomConfig(PaperConfig):
    NUM_CLASSES = CLASSES
    ROI_ALIGN_SAMPLING_RATIO = 0
    IMAGE_MIN_DIM = 192
    IMAGE_MAX_DIM = 400
    POST_NMS_ROIS_INFERENCE = PROPOSALS
    DETECTION_MAX_INSTANCES = DETECTIONS


@pytest.fixture(scope="module")
def images(coco_dir):
    paths = sorted(coco_dir.glob("val2017/*.jpg"))
    return [read_image(path) for path in paths[:2]]


@pytest.mark.parametrize("depth", [50, 101])
def test_every_step_agrees(images, tmp_path, depth):
    theirs = detectron2_model(CLASSES, images[0], PROPOSALS, DETECTIONS, depth)
    write_pkl(theirs, tmp_path / "model.pkl")
    config = RandomConfig()
    config.BACKBONE = f"resnet{depth}"
    model = MaskRCNN("inference", config, tmp_path)
    report = model.load_weights(tmp_path / "model.pkl")
    assert not (report.missing or report.unused or report.skipped)
    for image in images[: 2 if depth == 50 else 1]:
        molded, metas, windows = model.mold_inputs([image])
        expected = answers(theirs, np.asarray(molded), tuple(int(n) for n in windows[0][2:]))
        found = our_answers(model, molded, metas)
        check_trunk(found, expected)
        check_heads(found, expected)
