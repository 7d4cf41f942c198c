"""Models to export, and how an exported answer is compared with `detect`."""

import numpy as np
import pytest
from parity.test_golden_detections import GoldenConfig

from mrcnn.engine.mask_rcnn import MaskRCNN

SCORE, MASK_IOU = 1e-4, 0.99


@pytest.fixture(scope="session")
def golden_model(golden_dir, tmp_path_factory):
    """The recorded checkpoint, in inference mode."""
    model = MaskRCNN("inference", GoldenConfig(), tmp_path_factory.mktemp("logs"))
    model.load_weights(golden_dir / "matterport_layout_shapes_r50.h5", by_name=True)
    model.class_names = ["BG", "square", "circle", "triangle"]
    return model


@pytest.fixture(scope="session")
def golden_images(golden_dir):
    """The 12 recorded images, of three sizes."""
    with np.load(golden_dir / "matterport_golden_shapes.npz") as file:
        return [file[f"image_{i}"] for i in range(12)]


@pytest.fixture(scope="session")
def golden_results(golden_model, golden_images):
    """What `detect` answers for them."""
    results = golden_model.detect(golden_images)
    assert all(one.count > 0 for one in results)
    return results


def noise():
    """An image in which the recorded network sees nothing."""
    return np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)


def check_like_detect(found, expected, box_px=1, score=SCORE):
    """An exported answer (boxes, class_ids, scores, masks [N, H, W]) against a Result.

    Boxes within `box_px` pixels, scores within `score`, masks of an IoU from MASK_IOU on.
    """
    np.testing.assert_array_equal(found["class_ids"], expected["class_ids"])
    np.testing.assert_allclose(found["boxes"], expected["rois"], rtol=0, atol=box_px)
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=0, atol=score)
    masks, theirs = np.asarray(found["masks"]), np.moveaxis(expected["masks"], -1, 0)
    assert masks.shape == theirs.shape and masks.dtype == bool
    shared = (masks & theirs).sum(axis=(1, 2))
    union = (masks | theirs).sum(axis=(1, 2))
    assert (shared >= MASK_IOU * union).all()
