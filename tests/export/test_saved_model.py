"""A SavedModel answers what `detect` answers, for images of any size."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from e2e.tiny import tiny_config
from export.conftest import check_like_detect, noise
from PIL import Image

from mrcnn.config import Config
from mrcnn.engine.export.exporting import pipeline_of
from mrcnn.engine.mask_rcnn import MaskRCNN

SCRIPT = Path(__file__).with_name("run_saved_model.py")
NAMES = ("boxes", "class_ids", "scores", "masks")


@pytest.fixture(scope="module")
def folder(golden_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "shapes"
    assert golden_model.export(path) == str(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="module")
def real_images(balloon_dir, coco_dir):
    """Photos of several sizes, made smaller to spare time."""
    paths = [*sorted((balloon_dir / "val").glob("*.jpg"))[:2],
             *sorted((coco_dir / "val2017").glob("*.jpg"))[:2]]
    images = []
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            image = image.convert("RGB")
            image.thumbnail((240 + 60 * number,) * 2)
            images.append(np.asarray(image))
    assert len({image.shape for image in images}) == 4
    return images


def test_in_a_process_that_knows_nothing_of_mrcnn(folder, golden_images, golden_results, tmp_path):
    np.savez(tmp_path / "images.npz", **{f"image_{i}": x for i, x in enumerate(golden_images)})
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), str(folder), "images.npz", "answers.npz"],
        cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "answers.npz") as answers:
        for i, expected in enumerate(golden_results):
            check_like_detect({name: answers[f"{name}_{i}"] for name in NAMES}, expected)
        check_like_detect({name: answers[f"{name}_signature"] for name in NAMES},
                          golden_results[0])


def test_photos_of_several_sizes(loaded, golden_model, real_images):
    """The network knows none of these things, but what it answers must be the same."""
    counts = []
    for image in real_images:
        found, expected = loaded.detect(image), golden_model.detect([image])[0]
        check_like_detect(found, expected)
        counts.append(expected.count)
    assert sum(counts) > 5


def test_a_batch(loaded, golden_images, golden_results):
    rows = [i for i, image in enumerate(golden_images) if image.shape == (128, 128, 3)][:3]
    images, expected = np.stack([golden_images[i] for i in rows]), [golden_results[i] for i in rows]
    found = loaded.signatures["serving_default"](images=tf.constant(images))
    counts = found["counts"].numpy().tolist()
    assert counts == [one.count for one in expected] and len(set(counts)) > 1
    for row, one in enumerate(expected):
        mine = {name: found[name][row, : one.count] for name in NAMES}
        check_like_detect(mine, one)
        assert not any(np.any(found[name][row, one.count :]) for name in NAMES)
    types = {name: found[name].dtype.name for name in found}
    assert types == {"boxes": "int32", "class_ids": "int32", "scores": "float32",
                     "masks": "bool", "counts": "int32"}


def test_what_it_says_of_itself(folder, golden_model):
    facts = json.loads((folder / "mrcnn.json").read_text(encoding="utf-8"))
    assert facts["class_names"] == golden_model.class_names
    assert facts["resize"]["mode"] == "square" and facts["image_type"] == "uint8"
    assert facts["detection"]["min_confidence"] == golden_model.config.DETECTION_MIN_CONFIDENCE
    assert Config.from_dict(facts["config"]).NUM_CLASSES == 4


def test_images_without_objects(loaded, golden_model):
    image = noise()
    assert golden_model.detect([image])[0].count == 0
    found = loaded.detect_batch(np.stack([image, image]))
    assert found["counts"].numpy().tolist() == [0, 0]
    assert found["boxes"].shape == (2, 0, 4) and found["masks"].shape == (2, 0, 128, 128)


# --- every way to resize, on a network that was never trained ---------------------------------


def check_pipeline(model, sizes, dtype=np.uint8):
    """The exported function of a model against its `detect`, for images of some sizes."""
    channels, middle = model.config.IMAGE_CHANNEL_COUNT, model.config.MEAN_PIXEL[0]
    model.network.up_to_date(model.config)
    spec = tf.TensorSpec((None, None, None, channels), dtype)
    detect = tf.function(pipeline_of(model).batch, input_signature=[spec])
    rng, count = np.random.default_rng(3), 0
    for size in sizes:
        image = np.clip(rng.normal(middle, 60, (*size, channels)), 0, None).astype(dtype)
        expected, found = model.detect([image])[0], detect(image[None])
        check_like_detect({name: found[name][0] for name in NAMES}, expected)
        count += expected.count
    assert count > 0


MODES = {
    "square": {"IMAGE_MIN_DIM": 64},
    "pad64": {"IMAGE_MIN_DIM": 64, "IMAGE_MIN_SCALE": 1.2},
    "crop": {"IMAGE_MIN_DIM": 64, "IMAGE_MIN_SCALE": 0},
    "none": {},
}


def test_every_mode(tmp_path):
    model = MaskRCNN("inference", tiny_config(), tmp_path)
    for mode, knobs in MODES.items():
        for name, value in {"IMAGE_RESIZE_MODE": mode, **knobs}.items():
            setattr(model.config, name, value)
        check_pipeline(model, [(64, 64)] if mode == "none" else [(64, 64), (83, 120), (130, 70)])


def test_four_channels_of_16_bits(tmp_path):
    config = tiny_config(IMAGE_CHANNEL_COUNT=4, MEAN_PIXEL=np.full(4, 3000.0))
    check_pipeline(MaskRCNN("inference", config, tmp_path), [(64, 64), (130, 70)], np.uint16)


def test_a_low_precision(tmp_path):
    model = MaskRCNN("inference", tiny_config(PRECISION="bfloat16"), tmp_path)
    check_pipeline(model, [(83, 120)])
