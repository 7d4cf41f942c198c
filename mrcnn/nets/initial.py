"""How the layers that give the answers begin (Config.HEADS_SMALL_INIT)."""

import keras

# Standard deviations in the paper's code and detectron2: of the proposal network and the class
# scores, and of the heads' boxes and masks.
SCORES_STD, BOXES_STD, MASKS_STD = 0.01, 0.001, 0.001


def initial(small, std):
    """The initializer of a kernel: normal of this standard deviation where `small`, else Glorot."""
    return keras.initializers.RandomNormal(stddev=std) if small else "glorot_uniform"
