"""Bad input: each kind gives an error that names the file, image or argument, or is handled."""

import ast
import re
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tiny

from mrcnn.config import Config
from mrcnn.data.dataset import DataError, Dataset
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.engine.weights import save_weights
from mrcnn.geometry.masks import minimize_mask
from mrcnn.model import MaskRCNN


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Run layers one by one: a new model then trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """A training model that these tests never get to train."""
    return tiny.training_model(tmp_path_factory.mktemp("trainer"))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return MaskRCNN("inference", tiny.tiny_config(), tmp_path_factory.mktemp("detector"))


# --- images and masks of a dataset ------------------------------------------------------------

IMAGES = {
    "no array": (lambda image: None, "expected a numpy array, received NoneType"),
    "text": (lambda image: image.astype(str), "expected numbers"),
    "complex": (lambda image: image.astype(complex), "expected numbers.*complex128"),
    "two channels": (lambda image: image[:, :, :2], r"3 channels.*\(64, 64, 2\)"),
    "one axis": (lambda image: image[0, 0], r"expected \[H, W, 3\], received shape \(3,\)"),
    "empty": (lambda image: image[:0], r"empty, shape \(0, 64, 3\)"),
    "NaN": (lambda image: np.where(image > 99, np.nan, image), "NaN"),
}
MASKS = {
    "another size": (lambda m, c: (m[:32], c), r"\(64, 64\), received \(32, 64\)"),
    "transposed": (lambda m, c: (m.transpose(2, 0, 1), c), "height and width"),
    "two axes": (lambda m, c: (m[:, :, 0], c), r"expected shape \[H, W, N\]"),
    "text": (lambda m, c: (m.astype(str), c), "expected bool or numbers"),
    "NaN": (lambda m, c: (np.where(m, np.nan, 0.0), c), "mask: it holds NaN"),
    "class too high": (lambda m, c: (m, c * 0 + 4), "class id 4 is out of range: expected 1 to 3"),
    "background": (lambda m, c: (m, c * 0), "class id 0 is out of range"),
    "class ids missing": (lambda m, c: (m, c[:0]), r"class_ids.*received shape \(0,\)"),
    "half a class": (lambda m, c: (m, c + 0.5), "expected whole numbers"),
    "no pair": (lambda m, c: m, r"expected \(mask \[H, W, N\], class_ids \[N\]\)"),
}


@pytest.mark.parametrize("spoil, message", IMAGES.values(), ids=IMAGES)
def test_spoiled_image_stops_training_and_is_named(trainer, spoil, message):
    dataset = tiny.shapes(kind=tiny.SpoiledShapes)
    dataset.image = spoil
    with pytest.raises(DataError, match=rf"image \d \(shapes\.\d\).*{message}"):
        tiny.train(trainer, dataset=dataset)
    assert trainer.epoch == 0


@pytest.mark.parametrize("spoil, message", MASKS.values(), ids=MASKS)
def test_spoiled_mask_stops_training_and_is_named(trainer, spoil, message):
    dataset = tiny.shapes(kind=tiny.SpoiledShapes)
    dataset.mask = spoil
    with pytest.raises(DataError, match=rf"image \d \(shapes\.\d\).*{message}"):
        tiny.train(trainer, dataset=dataset)
    assert trainer.epoch == 0


class Files(Dataset):
    """One image file, without objects."""

    def __init__(self, path):
        super().__init__()
        for number, name in enumerate(("circle", "square", "triangle"), 1):
            self.add_class("files", number, name)
        self.add_image("files", "a", path)
        self.prepare()


def test_a_file_that_is_no_image(trainer, tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_text("this is a letter")
    with pytest.raises(DataError, match=rf"image 0 \({path}\).*not a readable image file"):
        tiny.train(trainer, dataset=Files(path))


def test_a_file_that_is_missing(trainer, tmp_path):
    path = tmp_path / "gone.jpg"
    with pytest.raises(FileNotFoundError, match=f"no such file: {path}"):
        tiny.train(trainer, dataset=Files(path))


def test_an_empty_mask_is_left_out_with_a_warning(tmp_path):
    dataset = tiny.shapes(kind=tiny.SpoiledShapes, max_objects=1)
    dataset.mask = lambda mask, class_ids: (
        np.concatenate([mask & False, mask], axis=2), np.r_[1, class_ids])
    config = tiny.tiny_config(LOADER_WORKERS=0, STEPS_PER_EPOCH=1)
    expected = dataset.load_mask(0)[1][1:]
    with pytest.warns(UserWarning, match=r"image 0 \(shapes\.0\): 1 of 2 masks are empty"):
        _, _, class_ids, boxes, masks = load_image_gt(dataset, config, 0)
    np.testing.assert_array_equal(class_ids, expected)
    assert boxes.shape == (1, 4) and masks.shape == (64, 64, 1) and masks.any()

    model = MaskRCNN("training", config, tmp_path)
    with pytest.warns(UserWarning, match="1 of 2 masks are empty"):
        history = tiny.train(model, layers="heads", dataset=dataset).history
    assert np.isfinite(history["loss"]).all() and history["rpn_bbox_loss"][0] > 0


def test_a_box_without_area():
    mask = np.ones((64, 64, 2), bool)
    with pytest.raises(ValueError, match=r"instance 1: .* received .* = \(5, 5, 5, 9\)"):
        minimize_mask(np.array([[0, 0, 9, 9], [5, 5, 5, 9]]), mask, (16, 16))


# --- datasets ---------------------------------------------------------------------------------


def test_a_dataset_that_is_not_prepared(trainer):
    dataset = tiny.ShapesDataset()
    dataset.load_shapes(2, 64, 64)
    with pytest.raises(ValueError, match=r"train_dataset.*train_dataset\.prepare\(\)"):
        tiny.train(trainer, dataset=dataset)
    with pytest.raises(ValueError, match=r"val_dataset.*val_dataset\.prepare\(\)"):
        tiny.train(trainer, val_dataset=dataset)


def test_a_dataset_with_other_classes(trainer):
    dataset = tiny.shapes()
    dataset.add_class("shapes", 4, "star")
    dataset.prepare()
    with pytest.raises(ValueError, match=r"train_dataset has 5 classes.*star.*NUM_CLASSES = 4"):
        tiny.train(trainer, dataset=dataset)


# --- arguments and knobs ----------------------------------------------------------------------


def test_mode_and_config_are_checked(tmp_path):
    with pytest.raises(ValueError, match="mode = 'train': expected 'training' or 'inference'"):
        MaskRCNN("train", tiny.tiny_config(), tmp_path)
    with pytest.raises(TypeError, match="expected an instance, received the class TinyConfig"):
        MaskRCNN("training", tiny.TinyConfig, tmp_path)


def test_methods_of_the_other_mode(trainer, detector):
    image = tiny.shapes(1).load_image(0)
    with pytest.raises(ValueError, match="inference mode; it was built for training"):
        trainer.detect([image])
    with pytest.raises(ValueError, match="training mode; it was built for inference"):
        tiny.train(detector)


@pytest.mark.parametrize("layers, message", [
    ("head", "matches no layer; use one of"),
    ("res9.*", "'res9.*' matches no layer"),
    ("(res4", "is no regular expression"),
])
def test_layers_that_choose_nothing(trainer, layers, message):
    with pytest.raises(ValueError, match=message):
        tiny.train(trainer, layers=layers)


KNOBS = [
    ("IMAGE_MAX_DIM", 100, "IMAGE_MAX_DIM = 100: must be a multiple of 64.*nearest valid: 128"),
    ("IMAGES_PER_GPU", 0, "IMAGES_PER_GPU = 0.*nearest valid: 1"),
    ("RPN_NMS_THRESHOLD", 1.5, "RPN_NMS_THRESHOLD = 1.5.*nearest valid: 1"),
    ("ROI_POSITIVE_RATIO", 0, "ROI_POSITIVE_RATIO = 0"),
    ("BACKBONE", "resnet52", "BACKBONE = 'resnet52'.*nearest valid: resnet50"),
    ("MASK_SHAPE", [27, 27], r"MASK_SHAPE = \[27, 27\].*nearest valid: \[28, 28\]"),
    ("LOSS_WEIGHTS", {"rpn_clas_loss": 1.0}, "rpn_clas_loss.*nearest valid: rpn_class_loss"),
    ("LEARNING_MOMENTUM", float("nan"), "LEARNING_MOMENTUM = nan"),
]


@pytest.mark.parametrize("knob, value, message", KNOBS, ids=[knob for knob, _, _ in KNOBS])
def test_a_knob_out_of_range(tmp_path, knob, value, message):
    with pytest.raises(ValueError, match=message):
        tiny.tiny_config(**{knob: value})
    changed = tiny.tiny_config()
    setattr(changed, knob, value)
    with pytest.raises(ValueError, match=message):
        MaskRCNN("inference", changed, tmp_path)


def test_a_knob_spoiled_after_building_stops_train(tmp_path):
    model = tiny.training_model(tmp_path)
    model.config.STEPS_PER_EPOCH = 0
    with pytest.raises(ValueError, match="STEPS_PER_EPOCH = 0"):
        tiny.train(model)


@pytest.mark.parametrize("below", [False, True])
def test_a_folder_that_cannot_be_written(tmp_path, below):
    """A file stands where the folder should be, or above it; root may write anywhere else."""
    blocked = tmp_path / "logs"
    blocked.write_text("a file")
    model = tiny.training_model(blocked / "runs" if below else blocked)
    with pytest.raises(OSError, match=f"cannot write checkpoints to {blocked}.*model_dir"):
        tiny.train(model)


# --- detect -----------------------------------------------------------------------------------

GOOD = np.zeros((64, 64, 3), np.uint8)
DETECT = {
    "one array": (GOOD, TypeError, r"pass \[image\]"),
    "no list": (5, TypeError, "expected a list of arrays, received int"),
    "a path": ([GOOD, "a.jpg"], TypeError, r"images\[1\]: expected a numpy array, received str"),
    "none": ([GOOD, None], TypeError, r"images\[1\].*NoneType"),
    "text": ([GOOD.astype(str)], TypeError, r"images\[0\]: expected numbers"),
    "channels": ([GOOD, GOOD[:, :, :2]], ValueError, r"images\[1\]: expected 3 channels"),
    "axes": ([GOOD[None]], ValueError, r"images\[0\].*\(1, 64, 64, 3\)"),
    "empty": ([GOOD[:, :0]], ValueError, r"images\[0\]: the image is empty"),
    "NaN": ([np.full((9, 9, 3), np.nan)], ValueError, r"images\[0\]: the image holds NaN"),
}


@pytest.mark.parametrize("images, error, message", DETECT.values(), ids=DETECT)
def test_detect_names_the_image(detector, images, error, message):
    with pytest.raises(error, match=message):
        detector.detect(images)


def test_detect_of_no_image(detector):
    assert detector.detect([]) == []


# --- weight files -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights_file(trainer):
    """Weights of the model, without a configuration."""
    path = trainer.model_dir + "_weights.h5"
    save_weights(trainer.keras_model, path)
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file(detector, weights_file, tmp_path, share):
    content = open(weights_file, "rb").read()
    path = tmp_path / "short.h5"
    path.write_bytes(content[: int(len(content) * share)])
    before = tiny.weights_of(detector)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        detector.load_weights(path, by_name=True)
    tiny.assert_same_weights(tiny.weights_of(detector), before)


def test_a_file_of_something_else_and_a_missing_one(detector, tmp_path):
    path = tmp_path / "letter.h5"
    path.write_text("this is a letter, not a network")
    with pytest.raises(ValueError, match=re.escape(str(path))):
        detector.load_weights(path)
    with pytest.raises(FileNotFoundError, match="gone.h5"):
        detector.load_weights(tmp_path / "gone.h5")
    with pytest.raises(FileNotFoundError, match="no checkpoint of 'tiny'"):
        MaskRCNN("inference", tiny.tiny_config(), tmp_path).find_last()


def test_weights_of_another_class_count(weights_file, tmp_path):
    model = tiny.training_model(tmp_path, NUM_CLASSES=3, SEED=6)
    before = tiny.weights_of(model)
    with pytest.raises(ValueError, match="file has 4 classes, this model 3") as caught:
        model.load_weights(weights_file, by_name=True)
    tiny.assert_same_weights(tiny.weights_of(model), before)
    exclude = ast.literal_eval(re.search(r"exclude=(\[.*?\])", str(caught.value))[1])
    report = model.load_weights(weights_file, by_name=True, exclude=exclude)
    changed = tiny.changed_layers(before, tiny.weights_of(model))
    assert "conv1" in changed and not changed & set(exclude)
    assert not report.missing
    detector = MaskRCNN("inference", tiny.tiny_config(NUM_CLASSES=3), tmp_path)
    with pytest.raises(ValueError, match="(?s)file has 4 classes, this model 3.*exclude="):
        detector.load_weights(weights_file, by_name=True)


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_weights_of_another_backbone(weights_file, tmp_path, mode):
    config = tiny.tiny_config(BACKBONE="resnet50")
    model = MaskRCNN(mode, config, tmp_path)
    with pytest.raises(ValueError, match='holds a resnet18, this model a resnet50 .BACKBONE="res'):
        model.load_weights(weights_file, by_name=True)


def test_from_checkpoint_of_weights_alone(weights_file):
    with pytest.raises(ValueError, match="holds weights but no configuration"):
        MaskRCNN.from_checkpoint(weights_file)


def test_a_misspelt_knob_is_a_warning():
    with pytest.warns(UserWarning, match="NUM_CLASES.*did you mean NUM_CLASSES"):
        type("Misspelt", (Config,), {"NUM_CLASES": 3})()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        type("OfItsOwn", (Config,), {"DATA_ROOT": "/data"})()
