"""What a graph computes in: Config.PRECISION as Keras' dtype policies.

Variables are float32 under every policy, so checkpoints are the same files. What places boxes,
ranks, or adds up a loss is float32 as well: bfloat16 has 8 binary digits, which are 4 pixels at
1024 and far too few to rank a hundred thousand anchors.
"""

import contextlib

import keras

FLOAT32 = "float32"
POLICIES = {"float32": FLOAT32, "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@contextlib.contextmanager
def policy_of(config):
    """Within it, layers made without a dtype follow `config.PRECISION`.

    A policy that the caller has set for all of Keras does not count within, and stands again
    afterwards, also after an error.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[config.PRECISION])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
