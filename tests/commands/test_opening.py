"""From a path to a description, a configuration and a model."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from e2e.tiny import shapes, tiny_config

from mrcnn.cli import main
from mrcnn.commands import opening
from mrcnn.commands.coco_names import COCO_NAMES
from mrcnn.commands.opening import (
    check_classes,
    checkpoint_of,
    describe,
    inference_config,
    open_detector,
)
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.loading import load_dataset
from mrcnn.engine.checkpoints import save_checkpoint
from mrcnn.engine.legacy_h5 import read_legacy_h5, weight_shapes, write_legacy_h5
from mrcnn.engine.weights import save_weights
from mrcnn.model import MaskRCNN


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny model, untrained, as a checkpoint of epoch 3 in a run folder."""
    model = MaskRCNN("inference", tiny_config(), "unused")
    path = tmp_path_factory.mktemp("logs") / "tiny20260131T0930" / "mask_rcnn_tiny_0003.h5"
    save_checkpoint(path, model.keras_model, config=model.config, epoch=3,
                    class_names=["BG", "circle", "square", "triangle"], logs={"loss": 2.5})
    save_weights(model.keras_model, path.parent / "weights.h5")
    return path


def fake(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return str(path)


def heads(path, classes, backbone="res4a_branch2c"):
    """A weights file that shows only a number of classes and a stage of a ResNet."""
    write_legacy_h5(path, [
        (backbone, [(f"{backbone}/bias:0", np.zeros(4, np.float32))]),
        ("mrcnn_class_logits", [("mrcnn_class_logits/bias:0", np.zeros(classes, np.float32))])])
    return path


def test_which_checkpoint_a_path_means(tmp_path):
    older = fake(tmp_path / "logs/a20260101T0930/mask_rcnn_a_0009.h5")
    newer = fake(tmp_path / "logs/b20260101T0931_2/mask_rcnn_b_0002.h5")
    fake(tmp_path / "logs/b20260101T0931_2/mask_rcnn_b_0001.h5")
    fake(tmp_path / "logs/b20260101T0931_2/mask_rcnn_b_best.h5")
    fake(tmp_path / "logs/b20260101T0931/mask_rcnn_b_0005.h5")
    (tmp_path / "logs/c20260102T0000").mkdir()  # the newest run has no checkpoint yet
    assert checkpoint_of(tmp_path / "logs") == newer
    assert checkpoint_of(tmp_path / "logs/a20260101T0930") == older
    assert checkpoint_of(older) == older
    with pytest.raises(FileNotFoundError, match="no checkpoint in this folder; looked for"):
        checkpoint_of(tmp_path / "logs/c20260102T0000")
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder"):
        checkpoint_of("nowhere")


def test_describe(checkpoint):
    found = describe(checkpoint.parent)
    assert (found.path, found.epoch, found.logs) == (str(checkpoint), 3, {"loss": 2.5})
    assert found.class_names == ["BG", "circle", "square", "triangle"]
    assert (found.num_classes, found.backbone) == (4, "resnet18")
    assert found.config.to_dict() == tiny_config().to_dict()
    assert "numpy" in found.versions


def test_shapes_are_those_of_the_arrays(checkpoint):
    arrays = read_legacy_h5(checkpoint)
    assert weight_shapes(checkpoint) == {key: array.shape for key, array in arrays.items()}


def test_a_matterport_file(golden_dir):
    found = describe(golden_dir / "matterport_layout_shapes_r50.h5")
    assert (found.config, found.class_names, found.num_classes) == (None, None, 4)
    assert found.backbone == "resnet50"
    with pytest.raises(ValueError, match="4 classes with the background on a resnet50.*--config"):
        inference_config(found)
    config = inference_config(found, assignments=["NUM_CLASSES=4", "IMAGE_MAX_DIM=128"])
    assert (config.BACKBONE, config.NUM_CLASSES, config.IMAGE_MAX_DIM) == ("resnet50", 4, 128)


def test_coco_is_recognised(tmp_path, coco_dir):
    found = describe(heads(tmp_path / "anything.h5", 81))
    file = json.loads((coco_dir / "annotations/instances_val2017.json").read_text())
    names = [one["name"] for one in sorted(file["categories"], key=lambda one: one["id"])]
    assert found.class_names == ["BG", *names] == list(COCO_NAMES)
    assert inference_config(found).NUM_CLASSES == 81
    assert describe(heads(tmp_path / "other.h5", 82)).class_names is None


def test_what_is_said_wins_over_the_file(checkpoint, tmp_path):
    source = tmp_path / "a.yaml"
    source.write_text("DETECTION_MIN_CONFIDENCE: 0.4\nIMAGES_PER_GPU: 3\n")
    config = inference_config(describe(checkpoint), str(source), ["IMAGES_PER_GPU=5"])
    assert (config.DETECTION_MIN_CONFIDENCE, config.IMAGES_PER_GPU) == (0.4, 5)
    assert config.NUM_CLASSES == 4 and config.IMAGE_MAX_DIM == 64
    # a relation between knobs is judged with the file's values, not with the defaults
    assert inference_config(describe(checkpoint), None, ["IMAGE_RESIZE_MODE=crop"]) \
        .IMAGE_SHAPE[0] == 64


@pytest.mark.parametrize("name", ["text", "other", "empty"])
def test_files_that_are_none(tmp_path, name):
    path = tmp_path / f"{name}.h5"
    if name == "text":
        path.write_text("hello")
    elif name == "empty":
        write_legacy_h5(path, [("conv1", [])])
    else:
        path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=f"{name}.h5: "):
        describe(path)


def test_open_detector(checkpoint):
    model = open_detector(checkpoint.parent, assignments=["DETECTION_MAX_INSTANCES=3"])
    assert model.class_names == ["BG", "circle", "square", "triangle"]
    dataset = shapes(1)
    with pytest.warns(UserWarning, match="DETECTION_MAX_INSTANCES = 3"):
        [result] = model.detect([dataset.load_image(0)])
    assert len(result["class_ids"]) == 3  # of the many that an untrained model finds


def test_open_weights_alone(checkpoint):
    weights = checkpoint.parent / "weights.h5"
    with pytest.raises(ValueError, match="holds weights but no configuration"):
        open_detector(weights)
    config = "e2e.tiny:TinyConfig"
    model = open_detector(weights, config, classes=["BG", "a", "b", "c"])
    assert model.class_names == ["BG", "a", "b", "c"] and model.config.BATCH_SIZE == 2
    with pytest.raises(ValueError, match="NUM_CLASSES"):
        open_detector(weights, config, ["NUM_CLASSES=5"])


# --- classes --------------------------------------------------------------------------------

def dataset_of(*names):
    dataset = Dataset()
    for number, name in enumerate(names, 1):
        dataset.add_class("s", number, name)
    dataset.prepare()
    return dataset


def model_of(*names, count=None):
    config = SimpleNamespace(NUM_CLASSES=count or len(names) + 1)
    return SimpleNamespace(class_names=["BG", *names] if names else None, config=config)


def test_classes_that_agree():
    check_classes(model_of("cat", "dog"), dataset_of("cat", "dog"))
    check_classes(model_of(count=3), dataset_of("cat", "dog"))


@pytest.mark.parametrize(("model", "dataset", "match"), [
    (model_of("cat"), ("dog",), "the model's classes are 'cat'; the data set's are 'dog'"),
    (model_of("cat"), ("cat", "dog"), "'cat'; the data set's are 'cat', 'dog'"),
    (model_of("dog", "cat"), ("cat", "dog"), "the same in another order"),
    (model_of(count=5), ("cat", "dog"), "5 classes with the background, the data set 3: cat, dog"),
])
def test_classes_that_do_not(model, dataset, match):
    with pytest.raises(ValueError, match=match):
        check_classes(model, dataset_of(*dataset))


def test_a_set_read_with_the_models_names_may_have_none_of_them(tmp_path):
    from data.formats import tiny_sets

    tiny_sets.labelme(tmp_path)
    check_classes(model_of("dog", "cat"), load_dataset(tmp_path, classes=["dog", "cat"]))
    with pytest.raises(ValueError, match="has none of them, only 'cat', 'dog'"):
        check_classes(model_of("fish"), load_dataset(tmp_path, classes=["fish"]))


# --- COCO's weights by their name -----------------------------------------------------------


def test_coco_is_the_file_here_or_a_download(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "models_folder", lambda: tmp_path / "kept")
    monkeypatch.setattr(opening, "download_trained_weights", lambda path: f"fetched to {path}")
    assert checkpoint_of("coco") == f"fetched to {tmp_path / 'kept' / 'mask_rcnn_coco.h5'}"
    (tmp_path / "mask_rcnn_coco.h5").touch()
    assert checkpoint_of("coco") == "mask_rcnn_coco.h5"
    (tmp_path / "coco").mkdir()  # a folder of that name is what the user means
    with pytest.raises(FileNotFoundError, match="coco: no checkpoint in this folder"):
        checkpoint_of("coco")


def test_coco_without_a_connection(tmp_path, monkeypatch):
    def offline(path):
        raise ConnectionError("cannot be downloaded; put it there")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "download_trained_weights", offline)
    (tmp_path / "a.png").touch()
    done = CliRunner().invoke(main, ["detect", "coco", "a.png"])
    assert done.exit_code == 1 and "cannot be downloaded; put it there" in done.output
    done = CliRunner().invoke(main, ["detect", "cocoa", "a.png"])
    assert done.exit_code == 2 and "'cocoa' does not exist" in done.output
