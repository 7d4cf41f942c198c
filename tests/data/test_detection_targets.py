"""The numpy targets of the heads with RoIAlign of the masks and the objects among the rois."""

import numpy as np
import pytest
from layers.align_oracle import align

from mrcnn.config import Config
from mrcnn.data.detection_targets import build_detection_targets
from mrcnn.geometry.masks import minimize_mask

HEIGHT, WIDTH, MINI = 60, 80, (20, 24)
BOXES = np.array([[4, 4, 40, 30], [20, 30, 58, 72], [0, 79, 1, 80]])  # the last: one pixel
IDS = np.array([2, 1, 3])


def config_with(**knobs):
    config = Config()
    config.NUM_CLASSES, config.TRAIN_ROIS_PER_IMAGE, config.ROI_POSITIVE_RATIO = 4, 24, 0.5
    config.MASK_SHAPE, config.MINI_MASK_SHAPE = [8, 6], MINI
    for name, value in knobs.items():
        setattr(config, name, value)
    return config


def ellipses():
    masks = np.zeros((HEIGHT, WIDTH, len(BOXES)), bool)
    for i, (y1, x1, y2, x2) in enumerate(BOXES):
        y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        masks[:, :, i] = (((2 * y - y1 - y2) / (y2 - y1)) ** 2
                          + ((2 * x - x1 - x2) / (x2 - x1)) ** 2) <= 1
    return masks


def near(seed=0):
    """Rois around the objects, some beyond the image, and background."""
    rng = np.random.default_rng(seed)
    rois = np.repeat(BOXES[:2], 6, axis=0) + rng.integers(-4, 5, (12, 4))
    return np.concatenate([rois, [[0, 40, 12, 78], [45, 0, 60, 20]]])


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [1, 2, 0])
@pytest.mark.parametrize("mini", [False, True])
def test_masks_are_the_roi_align_of_the_objects(mini, ratio, aligned):
    config = config_with(USE_MINI_MASK=mini, ROI_ALIGN="roi_align", ROI_ALIGN_ALIGNED=aligned,
                         ROI_ALIGN_SAMPLING_RATIO=ratio, PROPOSAL_APPEND_GT=True)
    source = minimize_mask(BOXES, ellipses(), MINI) if mini else ellipses()
    rois, ids, _, masks = build_detection_targets(near(), IDS, BOXES, source, config,
                                                  np.random.default_rng(1))
    assert set(ids) == {0, 1, 2, 3}
    for row in np.flatnonzero(ids):
        which = int(np.flatnonzero(IDS == ids[row])[0])
        place = rois[row].astype(float)
        if mini:
            top, left, bottom, right = BOXES[which]
            place = (place - [top, left, top, left]) / ([bottom - top, right - left] * 2)
        else:
            place = place / ([HEIGHT, WIDTH] * 2)
        share = align(source[:, :, which, None].astype(float), place, (8, 6), ratio, aligned)
        clear = abs(share[:, :, 0] - 0.5) > 1e-4
        got = masks[row, :, :, ids[row]]
        np.testing.assert_array_equal(got[clear], (share[:, :, 0] >= 0.5)[clear])
        assert set(np.unique(got)) <= {0, 1}
        assert not np.delete(masks[row], ids[row], axis=-1).any()


def test_objects_join_the_rois_but_crowds_do_not():
    ids = np.array([2, -1, 3])
    background = np.array([[45, 0, 60, 20]])
    without = build_detection_targets(background, ids, BOXES, ellipses(),
                                      config_with(USE_MINI_MASK=False))
    assert not without[1].any()
    config = config_with(USE_MINI_MASK=False, PROPOSAL_APPEND_GT=True)
    rois, class_ids, deltas, _ = build_detection_targets(background, ids, BOXES, ellipses(), config)
    found = {(tuple(roi), i) for roi, i in zip(rois.tolist(), class_ids.tolist(), strict=True)}
    assert found == {(tuple(BOXES[0].tolist()), 2), (tuple(BOXES[2].tolist()), 3),
                     (tuple(background[0].tolist()), 0)}
    np.testing.assert_allclose(deltas, 0, atol=1e-6)


def test_no_objects_to_join():
    none = np.zeros((0, 4), int)
    config = config_with(USE_MINI_MASK=False, PROPOSAL_APPEND_GT=True, ROI_ALIGN="roi_align",
                         ROI_BALANCED_SAMPLER=True)
    rois, ids, deltas, masks = build_detection_targets(
        near(), np.zeros(0, int), none, np.zeros((HEIGHT, WIDTH, 0), bool), config)
    assert len(rois) == 24 and not ids.any() and not deltas.any() and not masks.any()
