"""Optimizers and schedules against their formulas."""

import math

import keras
import numpy as np
import pytest
from tolerances import TWINS

from mrcnn.config import Config
from mrcnn.engine.optimizers import WarmupSchedule, build_optimizer, learning_rate_of


def config_with(**knobs):
    config = Config()
    for name, value in knobs.items():
        setattr(config, name, value)
    return config


def rate(step, base, warmup, total, shape):
    """The schedule, said plainly."""
    value = base
    if shape == "cosine":
        done = min(max((step - warmup) / max(total - warmup, 1), 0), 1)
        value *= (1 + math.cos(math.pi * done)) / 2
    return value * (min((step + 1) / warmup, 1) if warmup else 1)


@pytest.mark.parametrize(("warmup", "total", "shape"), [
    (0, 100, "cosine"), (10, 100, "cosine"), (10, 100, None), (1, 1, "cosine"), (50, 20, "cosine"),
])
def test_schedule_follows_its_formula(warmup, total, shape):
    schedule = WarmupSchedule(0.02, warmup, total, shape)
    steps = range(0, 130, 3)
    answer = [float(schedule(keras.ops.convert_to_tensor(step))) for step in steps]
    expected = [rate(step, 0.02, warmup, total, shape) for step in steps]
    np.testing.assert_allclose(answer, expected, atol=0.02 * TWINS)


def test_landmarks_of_the_schedule():
    schedule = WarmupSchedule(1.0, 10, 110, "cosine")
    for step, value in ((0, 0.1), (4, 0.5), (9, 1.0), (60, 0.5), (110, 0.0), (500, 0.0)):
        np.testing.assert_allclose(float(schedule(step)), value, atol=1e-3, err_msg=str(step))


def test_schedule_survives_its_configuration():
    schedule = WarmupSchedule(0.1, 5, 50, "cosine")
    copy = WarmupSchedule.from_config(schedule.get_config())
    assert copy.get_config() == {"base": 0.1, "warmup_steps": 5, "total_steps": 50,
                                 "shape": "cosine", "drops": ()}
    assert float(copy(20)) == float(schedule(20))


@pytest.mark.parametrize(("warmup", "total", "drops"), [
    (0, 90, (2 / 3, 11 / 12)), (10, 90, (2 / 3, 11 / 12)), (5, 30, (0.1, 0.5, 0.9)), (0, 7, (0.5,)),
    (50, 20, (0.5,)),  # drops while it still climbs
])
def test_steps_divide_the_rate_by_ten(warmup, total, drops):
    schedule = WarmupSchedule(0.02, warmup, total, "steps", drops)
    for step in range(total + 30):
        expected = 0.02 * (min((step + 1) / warmup, 1) if warmup else 1)
        for share in drops:
            expected *= 0.1 if step >= round(share * total) else 1
        rate_there = float(schedule(keras.ops.convert_to_tensor(step)))
        np.testing.assert_allclose(rate_there, expected, rtol=TWINS, err_msg=str(step))


def test_steps_of_the_twelve_epochs_of_the_paper():
    """90,000 steps, of which 60,000 and 20,000 come before the drops."""
    schedule = WarmupSchedule(0.02, 0, 90_000, "steps", (8 / 12, 11 / 12))
    for step, value in ((59_999, 0.02), (60_000, 0.002), (82_499, 0.002), (82_500, 0.0002)):
        np.testing.assert_allclose(float(schedule(step)), value, rtol=TWINS)


def test_steps_survive_their_configuration_and_follow_a_longer_run():
    config = config_with(LR_SCHEDULE="steps", LR_STEPS=(0.5, 0.75), WARMUP_STEPS=2)
    schedule = learning_rate_of(config, 0.1, 40)
    copy = WarmupSchedule.from_config(schedule.get_config())
    assert copy.get_config() == schedule.get_config()
    assert schedule.drops == (0.5, 0.75) and schedule.total_steps == 40
    np.testing.assert_allclose([float(copy(19)), float(copy(20))], [0.1, 0.01], rtol=TWINS)
    copy.total_steps += 40  # as for the steps an optimizer has behind it when a run goes on
    np.testing.assert_allclose([float(copy(39)), float(copy(40)), float(copy(60))],
                               [0.1, 0.01, 0.001], rtol=TWINS)


def test_what_the_knobs_ask_for():
    assert learning_rate_of(config_with(), 0.01, 100) == 0.01
    schedule = learning_rate_of(config_with(LR_SCHEDULE="cosine", WARMUP_STEPS=3), 0.01, 100)
    assert schedule.get_config() == {"base": 0.01, "warmup_steps": 3, "total_steps": 100,
                                     "shape": "cosine", "drops": ()}
    warm = learning_rate_of(config_with(WARMUP_STEPS=3), 0.01, 100)
    assert isinstance(warm, WarmupSchedule) and warm.shape is None
    own = learning_rate_of(config_with(LR_SCHEDULE=lambda step: 1 / (1 + step)), 0.01, 100)
    np.testing.assert_allclose([float(own(s)) for s in (0, 1, 3)], [0.01, 0.005, 0.0025])
    given = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert learning_rate_of(config_with(LR_SCHEDULE="cosine"), given, 100) is given


def steps_of(optimizer, gradients):
    """Apply one gradient list to fresh zeros; the change of each variable."""
    variables = [keras.Variable(np.zeros_like(g)) for g in gradients]
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
    return [v.numpy() for v in variables]


def test_sgd_clips_the_norm_of_all_gradients_together():
    optimizer, decay = build_optimizer(config_with(GRADIENT_CLIP_NORM=5.0), 1.0, 0.9)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert (optimizer.global_clipnorm, optimizer.clipnorm, optimizer.momentum) == (5.0, None, 0.9)
    assert decay == Config.WEIGHT_DECAY
    first, second = np.float32([30.0, 0.0]), np.float32([40.0])  # together 50: scaled by a tenth
    change = steps_of(optimizer, [first, second])
    np.testing.assert_allclose(change[0], [-3, 0], rtol=TWINS)
    np.testing.assert_allclose(change[1], [-4], rtol=TWINS)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_no_clipping(name):
    optimizer, _ = build_optimizer(config_with(OPTIMIZER=name, GRADIENT_CLIP_NORM=None), 1.0, 0.9)
    assert optimizer.global_clipnorm is None


def test_adam_clips_globally_and_leaves_the_decay_to_the_loss():
    optimizer, decay = build_optimizer(config_with(OPTIMIZER="adam", WEIGHT_DECAY=0.3), 0.1, 0.9)
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert optimizer.global_clipnorm == Config.GRADIENT_CLIP_NORM
    assert not optimizer.weight_decay and decay == 0.3


def test_adamw_decays_kernels_only():
    config = config_with(OPTIMIZER="adamw", WEIGHT_DECAY=0.5)
    optimizer, decay = build_optimizer(config, 0.1, 0.9)
    assert decay == 0.0, "or it would be counted twice"
    names = ("kernel", "bias", "gamma", "beta")
    variables = [keras.Variable(np.ones(2, np.float32), name=name) for name in names]
    optimizer.apply([keras.ops.zeros(2)] * 4, variables)
    after = {v.name: float(v.numpy()[0]) for v in variables}
    np.testing.assert_allclose(after["kernel"], 1 - 0.1 * 0.5, rtol=TWINS)
    assert (after["bias"], after["gamma"], after["beta"]) == (1, 1, 1)


def test_own_optimizer_is_given_rate_and_config():
    seen = {}

    def build(learning_rate, config):
        seen.update(rate=learning_rate, config=config)
        return keras.optimizers.RMSprop(learning_rate)

    config = config_with(OPTIMIZER=build)
    optimizer, decay = build_optimizer(config, 0.25, 0.9)
    assert isinstance(optimizer, keras.optimizers.RMSprop)
    assert seen == {"rate": 0.25, "config": config} and decay == config.WEIGHT_DECAY


@pytest.mark.parametrize("rate", [0.01, np.float32(0.01), np.float64(0.01)])
def test_a_numpy_learning_rate_is_a_number(rate):
    config = Config()
    assert type(learning_rate_of(config, rate, 10)) is float
    config.LR_SCHEDULE = "cosine"
    np.testing.assert_allclose(float(learning_rate_of(config, rate, 10)(0)), 0.01, rtol=TWINS)
