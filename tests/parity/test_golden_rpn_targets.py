"""Anchor targets against the recorded reference (global numpy seed 11)."""

import numpy as np
from tolerances import TWINS

from mrcnn.config import Config
from mrcnn.data.anchoring import config_anchors
from mrcnn.data.targets import build_rpn_targets
from mrcnn.geometry.anchors import generate_pyramid_anchors
from mrcnn.geometry.boxes import compute_overlaps


class Reference(Config):
    NUM_CLASSES = 4
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)


def test_rpn_targets(golden_dir):
    golden = np.load(golden_dir / "matterport_golden_utils.npz")
    anchors = golden["anchors"]
    np.random.seed(11)
    match, bbox = build_rpn_targets((128, 128, 3), anchors, np.array([1, 2]), golden["rpn_gt"],
                                    Reference())
    np.testing.assert_array_equal(match == 1, golden["rpn_match"] == 1)
    np.testing.assert_allclose(bbox, golden["rpn_bbox"], atol=TWINS)
    assert (bbox.shape, match.dtype) == ((256, 4), np.int32)
    negative = match == -1
    assert negative.sum() == (golden["rpn_match"] == -1).sum() == 253
    overlaps = compute_overlaps(anchors[negative], golden["rpn_gt"])
    np.testing.assert_array_less(overlaps.max(axis=1), 0.3)


def test_anchors_of_a_config(golden_dir):
    golden = np.load(golden_dir / "matterport_golden_utils.npz")
    ours = config_anchors(Reference(), (128, 128, 3))
    np.testing.assert_allclose(ours, golden["anchors"], atol=TWINS)
    np.testing.assert_array_equal(ours, generate_pyramid_anchors(
        Reference.RPN_ANCHOR_SCALES, [0.5, 1, 2], golden["backbone_shapes"], [4, 8, 16, 32, 64], 1))
