"""What this machine has, as far as it can be told without loading TensorFlow."""

import glob
import os
import platform
from importlib import metadata, util

_GIB = 2**30


def cores():
    """Processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1


def memory_gib():
    """Main memory in GiB, None where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1)
    except (AttributeError, ValueError, OSError):
        return None


def has_gpu():
    """Whether TensorFlow will most likely find a GPU: a device, not hidden, and not the CPU build.

    TensorFlow itself knows for sure, but takes seconds to load; `mrcnn info` asks it.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if installed("tensorflow-cpu") and not installed("tensorflow"):
        return False
    if platform.system() == "Darwin":
        return bool(installed("tensorflow-metal"))
    return bool(glob.glob("/dev/nvidia[0-9]*") or glob.glob("/dev/dxg") or
                (glob.glob("/dev/kfd") and installed("tensorflow-rocm")))


def installed(package, module=None):
    """Version text of a package; "" where only its module is there; None for neither."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "" if module and util.find_spec(module) else None
