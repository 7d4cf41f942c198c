"""What Keras lacks or leaves to the backend; a folder a backend, each with the same names.

Everything else in the package is written in `keras.ops`.
"""

from mrcnn._versions import check_versions

check_versions()

from mrcnn.kernels.tensorflow_backend import *  # noqa: E402, F403 (after the check)
from mrcnn.kernels.tensorflow_backend import __all__  # noqa: E402, F401
