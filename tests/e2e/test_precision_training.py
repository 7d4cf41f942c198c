"""Training in low precision and over several batches: same files, same resumption, same guard."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from tolerances import NETWORK

from mrcnn.data.training_feed import TrainingFeed
from mrcnn.engine.optimizers import batches_seen, build_optimizer
from mrcnn.model import MaskRCNN

SCALED = {"PRECISION": "float16"}


def scaled_by_one(rate, config):
    """SGD that leaves no batch out: the usual first scale is too much for these random weights."""
    return keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(rate, momentum=0.9, global_clipnorm=5.0), initial_scale=1.0)


@pytest.fixture(autouse=True)
def eager():
    """Run layers one by one: a new model then trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(("precision", "optimizer"), [
    ("bfloat16", "sgd"), ("float16", scaled_by_one)], ids=["bfloat16", "float16"])
def test_a_checkpoint_of_low_precision_is_like_any_other(tmp_path, precision, optimizer):
    model = tiny.training_model(tmp_path, PRECISION=precision, OPTIMIZER=optimizer)
    start = tiny.weights_of(model)
    history = tiny.train(model).history
    assert all(np.isfinite(values).all() for values in history.values())
    trained = tiny.weights_of(model)
    assert {"conv1", "fpn_p2", "mrcnn_mask"} <= tiny.changed_layers(start, trained)
    assert {array.dtype for array in trained.values()} == {np.dtype("float32")}

    plain = MaskRCNN("inference", tiny.tiny_config(), tmp_path)
    report = plain.load_weights(model.find_last(), by_name=True)
    assert not report.skipped and not report.missing
    tiny.assert_same_weights(tiny.weights_of(plain), trained)
    restored = MaskRCNN.from_checkpoint(model.find_last(), model_dir=tmp_path)
    assert restored.config.PRECISION == precision


RESUMED = {
    "float32": {"GRADIENT_ACCUMULATION": 2, "STEPS_PER_EPOCH": 3, "LR_SCHEDULE": "cosine"},
    "float16": {**SCALED, "OPTIMIZER": scaled_by_one, "GRADIENT_ACCUMULATION": 2,
                "STEPS_PER_EPOCH": 3},
}


@pytest.mark.parametrize("knobs", RESUMED.values(), ids=RESUMED)
def test_resumed_equals_unbroken(tmp_path, capsys, knobs):
    """Three batches an epoch and two a move: the epoch ends between a batch and its move."""
    unbroken = tiny.training_model(tmp_path / "unbroken", **knobs)
    start = tiny.weights_of(unbroken)
    tiny.train(unbroken, 2, learning_rate=0.001)

    broken = tiny.training_model(tmp_path / "broken", **knobs)
    tiny.train(broken, 2, learning_rate=0.001)  # the schedule knows of both epochs
    resumed = tiny.training_model(tmp_path / "broken", **knobs)
    resumed.load_weights(broken.checkpoint_path.format(epoch=1), by_name=True)
    tiny.train(resumed, 2, learning_rate=0.001)
    assert "Optimizer state restored" in capsys.readouterr().out

    steps = 2 * unbroken.config.STEPS_PER_EPOCH
    optimizers = [m.keras_model.optimizer for m in (unbroken, resumed)]
    assert [batches_seen(optimizer) for optimizer in optimizers] == [steps, steps]
    moves = steps // unbroken.config.GRADIENT_ACCUMULATION
    assert [int(optimizer.iterations) for optimizer in optimizers] == [moves, moves]
    if "PRECISION" in knobs:  # batches since the scale last changed
        assert [int(optimizer.step_counter) for optimizer in optimizers] == [steps, steps]
    ends = tiny.weights_of(resumed), tiny.weights_of(unbroken)
    # Rounding of features shifts what low precision keeps of them; other images would give 1.
    assert tiny.difference(*ends, start) < (0.05 if "PRECISION" in knobs else 0.001)


class HugeScale(keras.callbacks.Callback):
    """Sets a scale of the loss that no gradient survives."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.model.optimizer.dynamic_scale.assign(2.0**120)


def test_a_batch_left_out_by_loss_scaling_does_not_stop_training(tmp_path):
    model = tiny.training_model(tmp_path, **SCALED, STEPS_PER_EPOCH=1)
    model.set_trainable("all", verbose=0)
    start = tiny.weights_of(model)
    build = model.compile

    def compile_and_build(*arguments):
        build(*arguments)
        model.keras_model.optimizer.build(model.keras_model.trainable_variables)

    model.compile = compile_and_build
    history = tiny.train(model, custom_callbacks=[HugeScale()]).history
    assert np.isfinite(history["loss"]).all()
    assert float(model.keras_model.optimizer.dynamic_scale) == 2.0**119
    assert int(model.keras_model.optimizer.iterations) == 0
    tiny.assert_same_weights(tiny.weights_of(model), start)


def test_a_loss_that_is_nan_stops_float16_too(tmp_path):
    model = tiny.training_model(tmp_path, **SCALED)
    kernel = model.keras_model.get_layer("fpn_p2").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(FloatingPointError, match="step 1: .*became NaN"):
        tiny.train(model)


def moved(optimizer, batches):
    """A variable of zeros after these gradients."""
    variable = keras.Variable(np.zeros(3, np.float32))
    for gradient in batches:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return np.array(variable)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_accumulated_batches_move_like_one_large_batch(kind):
    config = tiny.tiny_config(OPTIMIZER=kind, GRADIENT_CLIP_NORM=1.0)
    batches = np.random.default_rng(0).normal(0, 3, (8, 3)).astype(np.float32)
    large = moved(build_optimizer(config, 0.1, 0.9)[0], batches.reshape(4, 2, 3).mean(axis=1))
    config.GRADIENT_ACCUMULATION = 2
    small = moved(build_optimizer(config, 0.1, 0.9)[0], batches)
    assert np.abs(large).min() > 0
    np.testing.assert_allclose(small, large, rtol=NETWORK)


def test_a_script_s_own_optimizer_accumulates_too():
    config = tiny.tiny_config(OPTIMIZER=lambda rate, config: keras.optimizers.RMSprop(rate),
                              GRADIENT_ACCUMULATION=3)
    optimizer, _ = build_optimizer(config, 0.1, 0.9)
    gradient = np.ones(3, np.float32)
    assert not moved(optimizer, [gradient] * 2).any()
    own = tiny.tiny_config(
        OPTIMIZER=lambda rate, config: keras.optimizers.SGD(rate, gradient_accumulation_steps=5),
        GRADIENT_ACCUMULATION=3)
    assert build_optimizer(own, 0.1, 0.9)[0].gradient_accumulation_steps == 5


def test_a_batch_in_two_halves_moves_the_trunk_like_the_whole(tmp_path):
    """Two equal batches: their losses' means are those of both together."""
    moves = []
    for knobs, repeats in (({}, 1), ({"GRADIENT_ACCUMULATION": 2}, 2)):
        model = tiny.training_model(tmp_path, **knobs, LOSS_WEIGHTS={
            "mrcnn_class_loss": 0.0, "mrcnn_bbox_loss": 0.0, "mrcnn_mask_loss": 0.0})
        start = tiny.weights_of(model)
        model.set_trainable("all", verbose=0)
        model.compile(0.01, 0.9)
        batch = tiny_batch(model)
        for _ in range(repeats):
            model.keras_model.train_on_batch(batch)
        moves.append({name: array - start[name] for name, array in tiny.weights_of(model).items()})
    largest = max(np.abs(move).max() for move in moves[0].values())
    assert largest > 0
    for name, move in moves[0].items():
        np.testing.assert_allclose(moves[1][name], move, rtol=0, atol=1e-3 * largest, err_msg=name)


def tiny_batch(model):
    """The first batch that the model would train on."""
    return TrainingFeed(tiny.shapes(), model.config, shuffle=False)[0]
