"""Optimizers and learning-rate schedules out of a Config."""

import math
import numbers

import keras
from keras import ops

DROP = 0.1  # what LR_SCHEDULE "steps" multiplies the rate by


@keras.saving.register_keras_serializable(package="mrcnn")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then constant, a half cosine down to zero, or a drop at some steps.

    Args:
        base: learning rate after the warm-up.
        warmup_steps: steps from near zero to `base`.
        total_steps: step at which the cosine reaches zero.
        shape: None (constant), "cosine" or "steps".
        drops: of "steps", the shares of `total_steps` after which the rate is a tenth of what
            it was, warm-up counted in.
    """

    def __init__(self, base, warmup_steps=0, total_steps=1, shape=None, drops=()):
        self.base = float(base)
        self.warmup_steps = int(warmup_steps)
        self.total_steps = max(int(total_steps), 1)
        self.shape = shape
        self.drops = tuple(float(share) for share in drops)

    def __call__(self, step):
        """Learning rate at an optimizer step (the first is 0)."""
        step = ops.cast(step, "float32")
        factor = 1.0
        if self.shape == "cosine":
            span = max(self.total_steps - self.warmup_steps, 1)
            progress = ops.clip((step - self.warmup_steps) / span, 0.0, 1.0)
            factor = 0.5 * (1.0 + ops.cos(math.pi * progress))
        if self.shape == "steps":
            for share in self.drops:
                drop = float(round(share * self.total_steps))
                factor = factor * ops.where(step >= drop, DROP, 1.0)
        if self.warmup_steps:
            factor = factor * ops.minimum((step + 1.0) / self.warmup_steps, 1.0)
        return self.base * factor

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {
            "base": self.base,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "shape": self.shape,
            "drops": self.drops,
        }


class _Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """The user's own factor of the step, times the base rate."""

    def __init__(self, base, factor):
        self.base, self.factor = float(base), factor

    def __call__(self, step):
        return self.base * self.factor(step)

    def get_config(self):
        return {"base": self.base, "factor": getattr(self.factor, "__qualname__", "callable")}


def learning_rate_of(config, learning_rate, total_steps):
    """A number, or the schedule that LR_SCHEDULE and WARMUP_STEPS ask for.

    Args:
        config: Config.
        learning_rate: number, or a Keras schedule, which is taken as it is.
        total_steps: optimizer steps until the end of the stage.
    """
    if not isinstance(learning_rate, numbers.Real):
        return learning_rate
    learning_rate = float(learning_rate)
    if callable(config.LR_SCHEDULE):
        return _Scaled(learning_rate, config.LR_SCHEDULE)
    if config.LR_SCHEDULE is None and not config.WARMUP_STEPS:
        return learning_rate
    shape = config.LR_SCHEDULE
    drops = config.LR_STEPS if shape == "steps" else ()
    return WarmupSchedule(learning_rate, config.WARMUP_STEPS, total_steps, shape, drops)


def build_optimizer(config, learning_rate, momentum):
    """The optimizer of Config.OPTIMIZER, clipped by the norm of all gradients together.

    It moves the weights once in GRADIENT_ACCUMULATION batches, by the mean of their gradients;
    clipping looks at that mean, and schedules count batches. In float16 it scales the loss, and
    leaves a batch out where that made a gradient infinite.

    Args:
        config: Config.
        learning_rate: number or schedule.
        momentum: of SGD.

    Returns:
        (optimizer, weight decay the loss has to add). AdamW decays weights by itself.
    """
    optimizer, decay = _plain_optimizer(config, learning_rate, momentum)
    if config.GRADIENT_ACCUMULATION > 1:
        inner = _innermost(optimizer)
        if not inner.gradient_accumulation_steps:  # of a callable that does not do so itself
            inner.gradient_accumulation_steps = int(config.GRADIENT_ACCUMULATION)
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if config.PRECISION == "float16" and not scales:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
    return optimizer, decay


def _plain_optimizer(config, learning_rate, momentum):
    """`build_optimizer` for float32 and single batches."""
    clip = config.GRADIENT_CLIP_NORM or None
    if callable(config.OPTIMIZER):
        return config.OPTIMIZER(learning_rate, config), config.WEIGHT_DECAY
    if config.OPTIMIZER == "adamw":
        optimizer = keras.optimizers.AdamW(
            learning_rate, weight_decay=config.WEIGHT_DECAY, global_clipnorm=clip
        )
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        return optimizer, 0.0
    if config.OPTIMIZER == "adam":
        return keras.optimizers.Adam(learning_rate, global_clipnorm=clip), config.WEIGHT_DECAY
    optimizer = keras.optimizers.SGD(learning_rate, momentum=momentum, global_clipnorm=clip)
    return optimizer, config.WEIGHT_DECAY


def _innermost(optimizer):
    """The optimizer that moves the weights, inside the one that scales the loss."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def batches_seen(optimizer) -> int:
    """Batches an optimizer has taken up, which its schedule counts; `iterations` counts moves."""
    counter = next(v for v in _innermost(optimizer).variables if v.name == "iteration")
    return int(keras.ops.convert_to_numpy(counter))
