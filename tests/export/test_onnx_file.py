"""An ONNX file answers what `detect` answers, in ONNX Runtime."""

import json

import numpy as np
import pytest
from e2e.tiny import tiny_config
from export.conftest import check_like_detect, noise
from PIL import Image

from mrcnn.engine.mask_rcnn import MaskRCNN

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IMAGES = (0, 3, 4, 7)  # of three sizes


@pytest.fixture(scope="module")
def path(golden_model, tmp_path_factory):
    return golden_model.export(tmp_path_factory.mktemp("export") / "shapes.onnx")


@pytest.fixture(scope="module")
def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def answer(session, image):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image}), strict=True))


def test_the_recorded_images(session, golden_images, golden_results):
    for i in IMAGES:
        check_like_detect(answer(session, golden_images[i]), golden_results[i])


def test_a_photo_and_an_image_without_objects(session, golden_model, coco_dir):
    with Image.open(sorted((coco_dir / "val2017").glob("*.jpg"))[0]) as image:
        photo = np.asarray(image.convert("RGB"))
    empty = noise()
    for image, expected in zip((photo, empty), golden_model.detect([photo, empty]), strict=True):
        found = answer(session, image)
        check_like_detect(found, expected)
        assert found["masks"].shape[1:] == image.shape[:2]
        assert (expected.count > 0) == (image is photo)


def test_images_that_are_not_square(tmp_path):
    config = tiny_config(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=64)
    model = MaskRCNN("inference", config, tmp_path)
    path = model.export(tmp_path / "tiny.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in ((60, 130), (200, 65)):
        image = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
        expected = model.detect([image])[0]
        assert expected.count > 0
        check_like_detect(answer(session, image), expected)


def test_what_it_says_of_itself(path, session, golden_model):
    facts = json.loads(session.get_modelmeta().custom_metadata_map["mrcnn"])
    assert facts["class_names"] == golden_model.class_names and facts["format"] == "onnx"
    (opset,) = [one.version for one in onnx.load(path).opset_import if one.domain == ""]
    assert opset == 18
    types = {output.name: output.type for output in session.get_outputs()}
    assert types == {"boxes": "tensor(int32)", "class_ids": "tensor(int32)",
                     "scores": "tensor(float)", "masks": "tensor(bool)"}
    (image,) = session.get_inputs()
    assert image.name == "image" and image.type == "tensor(uint8)"
