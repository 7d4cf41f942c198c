"""What a run under a preset needs besides it: the rate for its batch, a warm-up for its length."""

from mrcnn.config import Config
from mrcnn.presets import parts

# With random weights nothing may be kept as it is: it would never learn.
NOTHING_FROZEN = {"FREEZE_AT": 0, "FREEZE_BN": False}
WARMUP_SHARE = 0.1  # of a run, at most: a school's warm-up is for runs of many thousand steps


def school_of(preset):
    """"paper" or "torchvision" of a preset's name; None for Matterport's.

    Raises:
        ValueError: unknown name.
    """
    school = parts(preset)[1]
    return None if school == Config.PRESET else school


def run_knobs(config, steps):
    """LEARNING_RATE and WARMUP_STEPS of a run under a school.

    A school's rate is SGD's, for IMAGES_PER_GPU = 2, and goes with the images of a step (Goyal et
    al., 2017). Other optimizers keep the usual rate of this library. The warm-up is at most a
    tenth of the run.

    Args:
        config: Config on a school's preset, with the school's rate.
        steps: of the whole run.

    Returns:
        dict knob -> value.
    """
    rate = Config.LEARNING_RATE
    if config.OPTIMIZER == Config.OPTIMIZER:
        rate = config.LEARNING_RATE * config.BATCH_SIZE / Config.IMAGES_PER_GPU
    return {"LEARNING_RATE": rate,
            "WARMUP_STEPS": min(config.WARMUP_STEPS, int(WARMUP_SHARE * steps))}
