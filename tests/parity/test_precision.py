"""What low precision does to the recorded detections.

Measured on the 12 recorded images (38 objects of 24 to 90 pixels at 128 px): see the bounds.
"""

import numpy as np
import pytest
from test_golden_detections import GoldenConfig, unpacked

from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.geometry.boxes import compute_overlaps

SAME = 0.5  # IoU from which a detection of the same class is the recorded one

# Largest differences allowed: pixels of a box's side, score, and the lowest IoU of a mask.
BOUNDS = {"bfloat16": (8, 0.1, 0.8), "float16": (2, 0.02, 0.95)}


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


def differences(model, golden):
    """Of every recorded object that is found again, and how many are not, or are new.

    Returns:
        (largest difference of a box's side [N], of the score [N], mask IoU [N], missing, new).
    """
    boxes, scores, masks, missing, new = [], [], [], 0, 0
    for i in range(12):
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
    boxes, scores, masks, missing, new = differences(model, golden)
    print(f"{precision}: {len(boxes)} found again, {missing} missing, {new} new; box px max "
          f"{boxes.max()}, mean {boxes.mean():.2f}; score max {scores.max():.4f}, mean "
          f"{scores.mean():.4f}; mask IoU min {masks.min():.3f}, mean {masks.mean():.3f}")
    pixels, score, iou = BOUNDS[precision]
    assert (missing, new) == (0, 0)
    assert boxes.max() <= pixels
    assert scores.max() <= score
    assert masks.min() >= iou
