"""What low precision does to the recorded detections.

Measured on the 65 objects of the 12 recorded images at 128 px. In bfloat16 58 boxes are within
1 px of the recorded ones, scores are within 0.013, and the masks' mean IoU is 0.977. The farthest
box is 16 px off and the worst mask has an IoU of 0.71: there two overlapping boxes have nearly one
score, and the other one wins. So it is no layer's precision: float32 does the same (13 px, 0.73)
to images with one grey level of noise, one part in 256 like a rounding to bfloat16, and only a
whole trunk in float32 mends it. An object whose box moves as far as that may count as missing and
new. In float16 64 boxes are within 1 px and one is 5 px off; scores are within 0.012, the worst
mask has an IoU of 0.89.
"""

import numpy as np
import pytest
from test_golden_detections import GoldenConfig, unpacked

from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.geometry.boxes import compute_overlaps

SAME = 0.5  # IoU from which a detection of the same class is the recorded one

# Farthest side of a box in px, share of boxes within 1 px, largest difference of a score, lowest
# and mean IoU of the masks, objects that may be missing, and be new.
BOUNDS = {"bfloat16": (20, 0.8, 0.025, 0.6, 0.95, 2), "float16": (8, 0.85, 0.02, 0.8, 0.98, 0)}
IMAGES = {"bfloat16": 12, "float16": 5}  # CPUs are slow in float16


@pytest.fixture(scope="module")
def golden(golden_dir):
    with np.load(golden_dir / "matterport_golden_shapes.npz") as file:
        return dict(file)


def model_in(precision, golden_dir, folder):
    config = GoldenConfig()
    config.PRECISION = precision
    model = MaskRCNN("inference", config, folder)
    model.load_weights(golden_dir / "matterport_layout_shapes_r50.h5", by_name=True)
    return model


def differences(model, golden, images):
    """Of every recorded object that is found again, and how many are not, or are new.

    Returns:
        (largest difference of a box's side [N], of the score [N], mask IoU [N], missing, new).
    """
    boxes, scores, masks, missing, new = [], [], [], 0, 0
    for i in range(images):
        found, want = model.detect([golden[f"image_{i}"]])[0], golden[f"rois_{i}"]
        overlaps = compute_overlaps(want, found["rois"])
        overlaps *= golden[f"class_ids_{i}"][:, None] == found["class_ids"][None]
        recorded = unpacked(golden, "masks", i)
        for row, column in enumerate(overlaps.argmax(axis=1)):
            if overlaps[row, column] < SAME:
                missing += 1
                continue
            boxes.append(np.abs(found["rois"][column] - want[row]).max())
            scores.append(abs(found["scores"][column] - golden[f"scores_{i}"][row]))
            mask, expected = found["masks"][:, :, column], recorded[:, :, row]
            masks.append((mask & expected).sum() / max((mask | expected).sum(), 1))
        new += int((overlaps.max(axis=0) < SAME).sum())
    return np.array(boxes), np.array(scores), np.array(masks), missing, new


@pytest.mark.parametrize("precision", BOUNDS)
def test_recorded_objects_are_found_again(precision, golden, golden_dir, tmp_path):
    model = model_in(precision, golden_dir, tmp_path)
    boxes, scores, masks, missing, new = differences(model, golden, IMAGES[precision])
    farthest, share, score, lowest, mean, others = BOUNDS[precision]
    assert missing <= others and new <= others
    assert boxes.max() <= farthest
    assert (boxes <= 1).mean() >= share
    assert scores.max() <= score
    assert masks.min() >= lowest
    assert masks.mean() >= mean
