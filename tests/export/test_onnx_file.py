"""An ONNX file answers what `detect` answers, in ONNX Runtime."""

import json

import numpy as np
import pytest
from export.conftest import check_like_detect
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def path(golden_model, tmp_path_factory):
    return golden_model.export(tmp_path_factory.mktemp("export") / "shapes.onnx")


@pytest.fixture(scope="module")
def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def answer(session, image):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image}), strict=True))


def test_the_recorded_images(session, golden_model, golden_images):
    for image in golden_images:
        expected = golden_model.detect([image])[0]
        assert expected.count > 0
        check_like_detect(answer(session, image), expected)


def test_photos(session, golden_model, coco_dir):
    for path in sorted((coco_dir / "val2017").glob("*.jpg"))[:2]:
        with Image.open(path) as image:
            image = np.asarray(image.convert("RGB"))
        found = answer(session, image)
        check_like_detect(found, golden_model.detect([image])[0])
        assert found["masks"].shape[1:] == image.shape[:2]


def test_an_image_without_objects(session, golden_model):
    image = np.full((90, 150, 3), 7, np.uint8)
    assert golden_model.detect([image])[0].count == 0
    found = answer(session, image)
    assert found["boxes"].shape == (0, 4) and found["masks"].shape == (0, 90, 150)


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
