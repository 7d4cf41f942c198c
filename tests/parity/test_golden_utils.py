"""The numpy helpers against values recorded from the reference implementation."""

import numpy as np
import pytest
from tolerances import GEOMETRY

from mrcnn.evaluation import matching
from mrcnn.geometry import anchors, boxes, masks, molding, resize

MASK_SHAPE = (100, 140, 3)
RESIZE_CALLS = {
    "square": {"min_dim": 64, "max_dim": 128, "mode": "square"},
    "pad64": {"min_dim": 64, "min_scale": 0, "mode": "pad64"},
    "none": {"mode": "none"},
    "square_up": {"min_dim": 200, "max_dim": 256, "min_scale": 0, "mode": "square"},
}


@pytest.fixture(scope="module")
def golden(golden_dir):
    with np.load(golden_dir / "matterport_golden_utils.npz") as archive:
        return dict(archive)


def unpack(bits, shape):
    return np.unpackbits(bits)[: np.prod(shape)].reshape(shape).astype(bool)


def test_backbone_shapes(golden):
    shapes = anchors.compute_backbone_shapes_from_strides((128, 128, 3), [4, 8, 16, 32, 64])
    np.testing.assert_array_equal(shapes, golden["backbone_shapes"])


def test_anchors(golden):
    pyramid = anchors.generate_pyramid_anchors(
        (8, 16, 32, 64, 128), [0.5, 1, 2], golden["backbone_shapes"], [4, 8, 16, 32, 64], 1
    )
    np.testing.assert_array_equal(pyramid, golden["anchors"])


def test_overlaps(golden):
    overlaps = boxes.compute_overlaps(golden["boxes"][:8], golden["boxes"][8:])
    np.testing.assert_array_equal(overlaps, golden["overlaps"])


def test_box_deltas(golden):
    moved = boxes.apply_box_deltas(golden["boxes"], golden["deltas"])
    np.testing.assert_array_equal(moved, golden["apply_box_deltas"])


def test_box_refinement(golden):
    deltas = boxes.box_refinement(golden["boxes"][:10], golden["boxes"][10:])
    np.testing.assert_allclose(deltas, golden["box_refinement"], rtol=0, atol=GEOMETRY)


def test_nms(golden):
    keep = boxes.non_max_suppression(golden["boxes"], golden["nms_scores"], 0.3)
    np.testing.assert_array_equal(keep, golden["nms_keep"])


def test_norm_and_denorm(golden):
    norm = boxes.norm_boxes(golden["boxes"], (128, 160))
    np.testing.assert_array_equal(norm, golden["norm_boxes"])
    back = boxes.denorm_boxes(golden["norm_boxes"], (128, 160))
    np.testing.assert_array_equal(back, golden["denorm_boxes"])


def test_bboxes(golden):
    found = boxes.extract_bboxes(unpack(golden["mask"], MASK_SHAPE))
    np.testing.assert_array_equal(found, golden["bboxes"])


def test_mini_masks(golden):
    mask = unpack(golden["mask"], MASK_SHAPE)
    mini = masks.minimize_mask(golden["bboxes"], mask, (56, 56))
    np.testing.assert_array_equal(mini, unpack(golden["mini"], (56, 56, 3)))
    expanded = masks.expand_mask(golden["bboxes"], mini, MASK_SHAPE)
    np.testing.assert_array_equal(expanded, unpack(golden["expanded"], MASK_SHAPE))


@pytest.mark.parametrize("name", RESIZE_CALLS)
def test_resize(golden, name):
    image, window, scale, padding, crop = resize.resize_image(
        golden["image"], **RESIZE_CALLS[name]
    )
    np.testing.assert_array_equal(image, golden[f"resize_{name}_image"])
    np.testing.assert_array_equal(window, golden[f"resize_{name}_window"])
    np.testing.assert_array_equal(scale, golden[f"resize_{name}_scale"])
    np.testing.assert_array_equal(padding, golden[f"resize_{name}_padding"])
    assert crop is None
    mask = resize.resize_mask(unpack(golden["mask"], MASK_SHAPE), scale, padding, crop)
    expected = unpack(golden[f"resize_{name}_mask"], (*image.shape[:2], 3))
    np.testing.assert_array_equal(mask, expected)


def test_unmold_mask(golden):
    full = masks.unmold_mask(golden["soft"], (10, 20, 60, 110), MASK_SHAPE)
    np.testing.assert_array_equal(full, unpack(golden["unmold_mask"], MASK_SHAPE[:2]))


def test_mold_image(golden):
    molded = molding.mold_image(golden["image"], [123.7, 116.8, 103.9])
    np.testing.assert_array_equal(molded, golden["mold_image"].astype(np.float32))


def test_image_meta(golden):
    meta = molding.compose_image_meta(
        7, (100, 140, 3), (128, 128, 3), (14, 0, 114, 128), 0.9, [1, 1, 0, 1]
    )
    np.testing.assert_array_equal(meta, golden["image_meta"])


def average_precision_input(golden):
    """Three perfect masks, the last of a wrong class."""
    mask = unpack(golden["mask"], MASK_SHAPE)
    truth = (golden["bboxes"], np.array([1, 2, 3]), mask)
    return (*truth, golden["bboxes"], np.array([1, 2, 1]), np.array([0.9, 0.8, 0.7]), mask)


def test_compute_ap(golden):
    ap, precisions, recalls, _ = matching.compute_ap(*average_precision_input(golden))
    np.testing.assert_array_equal(ap, golden["compute_ap"])
    np.testing.assert_array_equal(precisions, golden["compute_ap_prec"])
    np.testing.assert_array_equal(recalls, golden["compute_ap_rec"])


def test_compute_ap_range(golden):
    ap = matching.compute_ap_range(*average_precision_input(golden), verbose=0)
    np.testing.assert_allclose(ap, golden["ap_range"], rtol=0, atol=GEOMETRY)


def test_one_image_into_the_network_and_out_again(golden_dir):
    """Recorded around the reference model: its input for image 0, and its answer in pixels."""
    with np.load(golden_dir / "matterport_golden_shapes.npz") as archive:
        mid = {name: archive[name] for name in archive.files if name.startswith("mid_")}
        image, rois, packed = archive["image_0"], archive["rois_0"], archive["masks_0"]
        shape, ids, scores = (archive[f"{n}_0"] for n in ("masks_shape", "class_ids", "scores"))
    molded, window, scale, _, _ = resize.resize_image(image, 128, 128, 0, "square")
    meta = molding.compose_image_meta(0, image.shape, molded.shape, window, scale, [0] * 4)
    np.testing.assert_array_equal(
        molding.mold_image(molded, [123.7, 116.8, 103.9]), mid["mid_molded"][0].astype(np.float32)
    )
    np.testing.assert_array_equal(meta, mid["mid_meta"][0])
    found = molding.unmold_detections(
        mid["mid_detections"][0], mid["mid_mask"][0], image.shape, molded.shape, window
    )
    np.testing.assert_array_equal(found[0], rois)
    np.testing.assert_array_equal(found[1], ids)
    np.testing.assert_array_equal(found[2], scores)
    overlaps = masks.compute_overlaps_masks(found[3], unpack(packed, shape))
    assert np.diag(overlaps).min() > 0.999  # the soft masks were stored with half precision
