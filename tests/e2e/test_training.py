"""`MaskRCNN.train` from the outside: stages, knobs, datasets, callbacks."""

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from tolerances import NETWORK

from mrcnn.engine.checkpoint_files import find_checkpoints

LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss",
          "mrcnn_mask_loss")


@pytest.fixture
def eager():
    """Run layers one by one: a new model then trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class Recorder(keras.callbacks.Callback):
    """The epochs and learning rates that a custom callback sees."""

    def __init__(self):
        super().__init__()
        self.epochs, self.rates, self.steps = [], [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)


# --- stages: one model, trained the way a script does ----------------------------------------


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """Heads, then all, then a regular expression; each stage with what it left behind."""
    folder = tmp_path_factory.mktemp("staged")
    # Of 1,000 anchors 32 would often leave out the 15 of the coarsest levels.
    model, stages = tiny.training_model(folder, RPN_TRAIN_ANCHORS_PER_IMAGE=512), []
    validation = tiny.shapes(3, seed=9)
    for epochs, layers, val in ((1, "heads", validation), (2, "all", None), (3, "res4.*", None)):
        before, recorder = tiny.weights_of(model), Recorder()
        if epochs > 1:  # the first stage runs as users run it, traced
            tf.config.run_functions_eagerly(True)
        try:
            history = tiny.train(model, epochs, layers, val_dataset=val,
                                 custom_callbacks=[recorder])
        finally:
            tf.config.run_functions_eagerly(False)
        changed = tiny.changed_layers(before, tiny.weights_of(model))
        stages.append({"changed": changed, "history": history, "recorder": recorder})
    return model, stages


def layer_names(model):
    return {layer.name for layer in model.get_trainable_layers()}


def test_heads_changes_the_heads_and_nothing_else(staged):
    model, stages = staged
    heads = {n for n in layer_names(model) if n.startswith(("fpn_", "rpn_", "mrcnn_"))}
    assert len(heads) > 15
    assert stages[0]["changed"] == heads


def test_all_reaches_the_backbone(staged):
    model, stages = staged
    convolutions = {n for n in layer_names(model) if not n.startswith(("bn", "mrcnn"))}
    assert {"conv1", "res2a_branch2a", "res5b_branch2b", "rpn_conv_shared"} <= convolutions
    assert convolutions <= stages[1]["changed"]


def test_a_regular_expression_chooses_layers(staged):
    model, stages = staged
    wanted = {n for n in layer_names(model) if n.startswith("res4")}
    assert len(wanted) == 5
    assert stages[2]["changed"] == wanted


def test_epochs_count_over_all_stages(staged):
    model, stages = staged
    assert model.epoch == 3
    assert [stage["recorder"].epochs for stage in stages] == [[0], [1], [2]]
    assert [stage["recorder"].steps for stage in stages] == [2, 2, 2]


def test_a_checkpoint_an_epoch_in_a_folder_named_after_the_run(staged):
    model, _ = staged
    assert re.fullmatch(r"tiny\d{8}T\d{4}", Path(model.log_dir).name)
    assert Path(model.log_dir).parent == Path(model.model_dir)
    names = [path.name for path in find_checkpoints(model.log_dir)]
    assert names == [f"mask_rcnn_tiny_000{epoch}.h5" for epoch in (1, 2, 3)]
    assert model.find_last() == os.path.join(model.log_dir, names[-1])
    assert not list(Path(model.log_dir).glob(".*"))


def test_history_has_the_five_losses_by_name(staged):
    _, stages = staged
    history = stages[0]["history"].history
    assert set(history) == {"loss", "val_loss", *LOSSES, *(f"val_{name}" for name in LOSSES)}
    assert all(len(values) == 1 and np.isfinite(values[0]) for values in history.values())
    assert history["rpn_class_loss"][0] > 0


def test_no_validation_without_a_dataset(staged):
    _, stages = staged
    assert set(stages[1]["history"].history) == {"loss", *LOSSES}


def test_the_loss_is_the_sum_of_the_parts_and_the_weight_decay(staged):
    model, stages = staged
    history = stages[1]["history"].history
    rest = history["loss"][0] - sum(history[name][0] for name in LOSSES)
    assert 0 < rest < 0.05 * history["loss"][0]


def test_a_plain_message_when_nothing_is_left(staged, capsys):
    model, _ = staged
    before = tiny.weights_of(model)
    assert tiny.train(model, epochs=3) is None
    printed = capsys.readouterr().out
    assert "Nothing to train" in printed and "3 epochs are done" in printed
    tiny.assert_same_weights(tiny.weights_of(model), before)


def test_weights_file_carries_what_training_left(staged):
    model, _ = staged
    fresh = tiny.training_model(model.model_dir, SEED=99)
    fresh.load_weights(model.find_last(), by_name=True)
    tiny.assert_same_weights(tiny.weights_of(fresh), tiny.weights_of(model))
    assert fresh.class_names == ["BG", "circle", "square", "triangle"]


# --- knobs ------------------------------------------------------------------------------------


def test_seed_repeats_a_run_whatever_the_threads(tmp_path, eager):
    runs = []
    for workers in (0, 3):
        model = tiny.training_model(tmp_path / str(workers), LOADER_WORKERS=workers)
        start = tiny.weights_of(model)
        history = tiny.train(model, augmentation=flip, val_dataset=tiny.shapes(3, seed=9))
        runs.append((history.history, start, tiny.weights_of(model)))
    (losses, start, end), (losses_again, start_again, end_again) = runs
    tiny.assert_same_weights(start_again, start)
    assert losses_again == losses  # to the last bit
    tiny.assert_same_weights(end_again, end)


def test_another_seed_is_another_run(tmp_path, eager):
    models = [tiny.training_model(tmp_path, SEED=seed) for seed in (5, 6)]
    first, second = (tiny.weights_of(model)["conv1/conv1/kernel"] for model in models)
    assert np.abs(first - second).max() > 0.01


def test_loss_weights_of_zero_switch_a_loss_off(tmp_path, eager):
    weights = {**dict.fromkeys(LOSSES, 0.0), "rpn_class_loss": 2.0}
    model = tiny.training_model(tmp_path, LOSS_WEIGHTS=weights, WEIGHT_DECAY=0.0)
    before = tiny.weights_of(model)
    history = tiny.train(model).history
    np.testing.assert_array_equal([history[name][0] for name in LOSSES[1:]], 0.0)
    assert history["rpn_class_loss"][0] > 0
    np.testing.assert_allclose(history["loss"], history["rpn_class_loss"], rtol=NETWORK)
    changed = tiny.changed_layers(before, tiny.weights_of(model))
    assert {"rpn_class_raw", "conv1"} <= changed
    assert not any(n.startswith("mrcnn_") or n == "rpn_bbox_pred" for n in changed)


@pytest.mark.parametrize("train_bn", [True, False])
def test_train_bn_decides_on_the_statistics(tmp_path, eager, train_bn):
    model = tiny.training_model(tmp_path, TRAIN_BN=train_bn, STEPS_PER_EPOCH=1)
    before = tiny.weights_of(model)
    tiny.train(model)
    after = tiny.weights_of(model)
    for name in ("bn_conv1/bn_conv1", "mrcnn_class_bn1/mrcnn_class_bn1"):
        moved = {leaf: not np.array_equal(before[f"{name}/{leaf}"], after[f"{name}/{leaf}"])
                 for leaf in ("moving_mean", "moving_variance", "gamma")}
        assert moved == {"moving_mean": train_bn, "moving_variance": train_bn, "gamma": True}


def test_rois_of_its_own_in_place_of_proposals(tmp_path, eager):
    model = tiny.training_model(tmp_path, USE_RPN_ROIS=False, STEPS_PER_EPOCH=1)
    assert "input_roi" in [tensor.name for tensor in model.keras_model.inputs]
    history = tiny.train(model).history
    assert history["mrcnn_bbox_loss"][0] > 0 and history["mrcnn_mask_loss"][0] > 0


def test_images_without_objects_are_negatives(tmp_path, eager):
    model = tiny.training_model(tmp_path)
    before = tiny.weights_of(model)
    history = tiny.train(model, dataset=tiny.shapes(kind=tiny.BlankShapes)).history
    for name in ("rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"):
        np.testing.assert_array_equal(history[name], 0.0)
    assert history["rpn_class_loss"][0] > 0 and history["mrcnn_class_loss"][0] > 0
    after = tiny.weights_of(model)
    assert {"rpn_class_raw", "mrcnn_class_logits"} <= tiny.changed_layers(before, after)


def test_grey_images_large_full_masks_and_few_objects(tmp_path, eager):
    """IMAGE_CHANNEL_COUNT = 1, MASK_SHAPE (56, 56), no mini-masks, more objects than fit."""

    class Grey(tiny.ShapesDataset):
        def load_image(self, image_id):
            return super().load_image(image_id)[:, :, :1]

    crowded = tiny.shapes(kind=Grey, min_size=10, max_size=20, max_objects=8)
    most = max(len(crowded.load_mask(i)[1]) for i in crowded.image_ids)
    knobs = {"IMAGE_CHANNEL_COUNT": 1, "MASK_SHAPE": (56, 56), "USE_MINI_MASK": False,
             "MAX_GT_INSTANCES": 2, "USE_RPN_ROIS": False}
    assert most > knobs["MAX_GT_INSTANCES"]
    model = tiny.training_model(tmp_path, **knobs)
    assert tiny.weights_of(model)["conv1/conv1/kernel"].shape[2] == 1
    assert model.keras_model.outputs[6].shape[2:4] == (56, 56)
    history = tiny.train(model, dataset=crowded, val_dataset=crowded).history
    assert history["mrcnn_mask_loss"][0] > 0
    assert np.isfinite(history["loss"] + history["val_loss"]).all()


@pytest.mark.parametrize("mode, mini", [("pad64", True), ("none", False)])
def test_images_of_changing_shape(tmp_path, eager, mode, mini):
    sizes = [(64, 128), (128, 64), (64, 64), (128, 128), (64, 192)]
    model = tiny.training_model(tmp_path, IMAGE_RESIZE_MODE=mode, USE_MINI_MASK=mini,
                                IMAGES_PER_GPU=1, STEPS_PER_EPOCH=5, USE_RPN_ROIS=mini)
    dataset = tiny.shapes_of_sizes(sizes)
    history = tiny.train(model, dataset=dataset, val_dataset=dataset, learning_rate=0.001).history
    assert np.isfinite(history["loss"] + history["val_loss"]).all()


def lion(learning_rate, config):
    return keras.optimizers.Lion(learning_rate)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", lion], ids=["adam", "adamw", "callable"])
def test_other_optimizers(tmp_path, eager, optimizer):
    knobs = {"OPTIMIZER": staticmethod(optimizer) if callable(optimizer) else optimizer}
    model = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1, **knobs)
    before = tiny.weights_of(model)
    tiny.train(model, layers="heads", learning_rate=0.001)
    name = optimizer if isinstance(optimizer, str) else "lion"
    assert type(model.keras_model.optimizer).__name__.lower() == name
    step = np.abs(tiny.weights_of(model)["fpn_c5p5/fpn_c5p5/kernel"]
                  - before["fpn_c5p5/fpn_c5p5/kernel"])
    # the first step of each of these is the rate itself, in every direction that has a gradient
    np.testing.assert_allclose(np.median(step), 0.001, rtol=0.05)


def test_cosine_with_warm_up_and_checkpoints_kept(tmp_path, eager):
    model = tiny.training_model(tmp_path, LR_SCHEDULE="cosine", WARMUP_STEPS=2, CHECKPOINT_KEEP=1,
                                STEPS_PER_EPOCH=1)
    recorder = Recorder()
    history = tiny.train(model, 6, "heads", custom_callbacks=[recorder]).history
    half_cosine = 0.5 * (1 + np.cos(np.pi * np.arange(5) / 4))
    # `learning_rate` after step i is what step i + 1 will use
    np.testing.assert_allclose(recorder.rates, 0.01 * np.r_[1.0, half_cosine], atol=1e-7)
    best = 1 + int(np.argmin(history["loss"]))
    kept = [int(path.stem[-4:]) for path in find_checkpoints(model.log_dir)]
    assert kept == sorted({best, 6})


def test_a_schedule_that_is_a_function(tmp_path, eager):
    model = tiny.training_model(tmp_path, LR_SCHEDULE=lambda step: 1.0 / (1.0 + step))
    recorder = Recorder()
    tiny.train(model, layers="heads", custom_callbacks=[recorder])
    np.testing.assert_allclose(recorder.rates, [0.01 / 2, 0.01 / 3], rtol=1e-5)


# --- augmentation -----------------------------------------------------------------------------


def flip(image, mask, rng):
    """A plain callable: mirrors half of the images."""
    turn = -1 if rng.random() < 0.5 else 1
    return image[:, ::turn], mask[:, ::turn]


class Augmenter:
    """Speaks imgaug's protocol and counts the images it gets."""

    def __init__(self):
        self.images = 0

    def to_deterministic(self):
        return self

    def augment_image(self, image, hooks=None):
        self.images += hooks is None
        return image[::-1].copy()


def test_augmentation_reaches_all_but_the_sources_named(tmp_path, eager):
    augmenter = Augmenter()
    model = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1, LOADER_WORKERS=0)
    tiny.train(model, 1, "heads", augmentation=augmenter)
    seen = augmenter.images
    assert seen >= 2
    tiny.train(model, 2, "heads", augmentation=augmenter, no_augmentation_sources=["shapes"])
    assert augmenter.images == seen


def test_augmentation_never_touches_validation(tmp_path, eager):
    class Forbidden(tiny.ShapesDataset):
        pass

    validation = tiny.shapes(2, seed=3, kind=Forbidden)
    shapes_seen = []

    def note(image, mask, rng):
        shapes_seen.append(int(image[0, 0].sum()))
        return image, mask

    model = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1)
    tiny.train(model, 1, "heads", val_dataset=validation, augmentation=note)
    own = {int(validation.load_image(i)[0, 0].sum()) for i in validation.image_ids}
    assert shapes_seen and not own & set(shapes_seen)
