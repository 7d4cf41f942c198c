"""From outputs to results under the other school's options, against plain loops; and training."""

import math

import numpy as np
import pytest
from e2e.schools import noisy_images, small_config, small_model
from e2e.tiny import shapes_of_sizes
from geometry.test_mask_frame import check as check_mask
from tolerances import TWINS

from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.geometry.lazy_masks import LazyMasks
from mrcnn.geometry.shortest_edge import scaled_sides


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model("torchvision", tmp_path_factory.mktemp("logs"))


def test_results_follow_boxes_to_a_fraction_of_a_pixel(model):
    """A box in the molded image grows by original / resized side, as torchvision has it."""
    for image in noisy_images():
        height, width = image.shape[:2]
        resized = scaled_sides(height, width, 64, 107, floor=True)[1]
        padded = [math.ceil(side / 32) * 32 for side in resized]
        molded, metas, _ = model.mold_inputs([image])
        assert molded.shape[1:3] == tuple(padded)
        outputs = model.forward(molded, metas, model.get_anchors(molded.shape[1:])[None])
        result = model.detect([image], masks="lazy")[0]
        assert isinstance(result["masks"], LazyMasks) and result["masks"].frame
        exact, soft = [], []
        for row, mask in zip(outputs[0][0], outputs[3][0], strict=True):
            ends = [row[0] * padded[0] * height / resized[0],
                    row[1] * padded[1] * width / resized[1],
                    row[2] * padded[0] * height / resized[0],
                    row[3] * padded[1] * width / resized[1]]
            whole = np.around(ends)
            if row[4] > 0 and whole[2] > whole[0] and whole[3] > whole[1]:
                exact.append(ends)
                soft.append(mask[:, :, int(row[4])])
        assert len(exact) == result.count > 3
        np.testing.assert_allclose(result["masks"].boxes, exact, atol=TWINS * max(height, width))
        np.testing.assert_array_equal(result["rois"], np.around(result["masks"].boxes))
        assert result["rois"].dtype == np.int32
        for i, box in enumerate(result["masks"].boxes[:8]):
            check_mask(result["masks"][:, :, i], soft[i], box, (height, width))


def test_forms_of_masks_agree(model):
    image = next(noisy_images())
    lazy, array = (model.detect([image], masks=form)[0] for form in ("lazy", "array"))
    np.testing.assert_array_equal(np.asarray(lazy["masks"]), array["masks"])
    unmolded = _unmolded(model, image)
    for mine, name in zip(unmolded, ("rois", "class_ids", "scores", "masks"), strict=True):
        np.testing.assert_array_equal(mine, array[name])


def _unmolded(model, image):
    """What a script that does the steps of `detect` itself gets."""
    molded, metas, windows = model.mold_inputs([image])
    outputs = model.forward(molded, metas, model.get_anchors(molded.shape[1:])[None])
    return model.unmold_detections(
        outputs[0][0], outputs[3][0], image.shape, molded[0].shape, windows[0])


def test_training_on_images_of_many_shapes(tmp_path):
    config = small_config("torchvision", BATCH_SIZE=2, WARMUP_STEPS=0)
    model = MaskRCNN("training", config, tmp_path)
    dataset = shapes_of_sizes([(83, 120), (130, 70), (64, 64), (200, 100)])
    history = model.train(dataset, None, learning_rate=1e-4, epochs=1, layers="all")
    assert np.isfinite(history.history["loss"]).all()
