"""A TFLite file with built-in operators only answers what `detect` answers, up to its weights."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from e2e.tiny import tiny_config
from export.conftest import check_like_detect

from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.results.exported import finish, prepare, read_facts

IMAGES = (0, 3, 7)  # of three sizes
# weights: (boxes px, score, IoU of masks, most size of the file against float32)
BOUNDS = {"float32": (0, 1e-4, 0.99, 1.0), "float16": (6, 2e-2, 0.85, 0.55)}


def interpreter_of(path):
    """An interpreter without delegates for other operators than the built-in ones."""
    with pytest.warns(UserWarning, match="Interpreter is deprecated"):
        return tf.lite.Interpreter(path, num_threads=2)


def in_order_of(found, expected):
    """The objects of one result in the order of another: scores that nearly tie may swap."""
    apart = np.abs(found["rois"][:, None] - expected["rois"]).max(axis=-1)
    apart += 1000 * (found["class_ids"][:, None] != expected["class_ids"])
    order = apart.argmin(axis=0)
    assert sorted(order) == list(range(found.count)), "not the same objects"
    return order


def check(found, expected, box_px, score, least):
    order = in_order_of(found, expected)
    np.testing.assert_array_equal(found["class_ids"][order], expected["class_ids"])
    np.testing.assert_allclose(found["rois"][order], expected["rois"], rtol=0, atol=box_px)
    np.testing.assert_allclose(found["scores"][order], expected["scores"], rtol=0, atol=score)
    masks, theirs = np.asarray(found["masks"])[..., order], expected["masks"]
    shared, union = (masks & theirs).sum(axis=(0, 1)), (masks | theirs).sum(axis=(0, 1))
    assert (shared >= least * union).all()


@pytest.fixture(scope="module")
def paths(golden_model, tmp_path_factory):
    """Kind of weights -> path of a file."""
    folder = tmp_path_factory.mktemp("export")
    return {kind: golden_model.export(folder / f"{kind}.tflite", weights=kind) for kind in BOUNDS}


@pytest.mark.parametrize("weights", BOUNDS)
def test_the_recorded_images(weights, paths, golden_model, golden_images, golden_results):
    path = paths[weights]
    box_px, score, least, share = BOUNDS[weights]
    assert Path(path).stat().st_size <= share * Path(paths["float32"]).stat().st_size
    facts, interpreter = read_facts(path), interpreter_of(path)
    names = {one["op_name"] for one in interpreter._get_ops_details()}
    assert not any(name.startswith(("Flex", "Custom")) for name in names)
    run = interpreter.get_signature_runner()
    for i in IMAGES:
        image, expected = golden_images[i], golden_results[i]
        resized, window = prepare(image, facts)
        result = finish(run(image=resized, window=window), image, facts)
        check(result, expected, box_px, score, least)
        assert result.labels == [golden_model.class_names[n] for n in result["class_ids"]]


def test_images_that_are_not_square(tmp_path):
    config = tiny_config(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=64)
    model = MaskRCNN("inference", config, tmp_path)
    path = model.export(tmp_path / "wide.tflite", image_shape=(64, 128), image_type="float32")
    facts, run = read_facts(path), interpreter_of(path).get_signature_runner()
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.float32)
    expected = model.detect([image])[0]
    assert expected.count > 0 and facts["class_names"] is None
    resized, window = prepare(image, facts)
    found = finish(run(image=resized, window=window), image, facts)
    masks = np.moveaxis(np.asarray(found["masks"]), -1, 0)
    check_like_detect({**found, "boxes": found["rois"], "masks": masks}, expected)
    with pytest.raises(ValueError, match=r"exported for \(64, 128\)"):
        prepare(image[:, :40], facts)
    with pytest.raises(ValueError, match="received"):
        prepare(image[..., :2], facts)
