"""What torch and JAX say about the device, each behind the same names."""

import time

import numpy as np

PRODUCTS = {"float32": "float32", "tf32": "float32", "bfloat16": "bfloat16"}
SIDE, COPY = 8192, 1 << 30  # of a matrix product; numbers in an array to copy
QUICK_SIDE, QUICK_COPY = 256, 1 << 20
REPEATS = 10


def out_of_memory(error):
    """Whether an exception means that the device's memory is full."""
    text = f"{type(error).__name__}: {error}".lower()
    return any(word in text for word in ("out of memory", "outofmemory", "resource_exhausted",
                                         "can't allocate memory", "memoryerror"))


class TorchDevice:
    """A CUDA device of torch, or the processor."""

    def __init__(self):
        import torch

        self.torch = torch
        self.name = "cuda" if torch.cuda.is_available() else "cpu"

    def describe(self):
        """Its name and what drives it."""
        version = f"torch {self.torch.__version__}"
        if self.name == "cpu":
            return f"CPU, {version}"
        return f"{self.torch.cuda.get_device_name()}, {version}, CUDA {self.torch.version.cuda}"

    def set_precision(self, precision):
        """Let products of float32 values be rounded to tf32, or not."""
        short = precision != "float32"
        self.torch.backends.cuda.matmul.allow_tf32 = short
        self.torch.backends.cudnn.allow_tf32 = short

    def wait(self):
        """Until the device has done all it was given."""
        if self.name == "cuda":
            self.torch.cuda.synchronize()

    def forget_peak(self):
        """Free what is not used, and count the peak from here."""
        if self.name == "cuda":
            self.torch.cuda.empty_cache()
            self.torch.cuda.reset_peak_memory_stats()

    def peak(self):
        """Bytes at the peak of the allocated memory; None on a processor."""
        return self.torch.cuda.max_memory_allocated() if self.name == "cuda" else None

    def product(self, side, dtype):
        """A function that multiplies two matrices."""
        matrix = self.torch.randn(side, side, device=self.name).to(getattr(self.torch, dtype))
        return lambda: matrix @ matrix

    def copy(self, numbers):
        """A function that copies float32 numbers on the device."""
        array = self.torch.randn(numbers, device=self.name)
        target = self.torch.empty_like(array)
        return lambda: target.copy_(array)


class JaxDevice:
    """JAX's first device."""

    def __init__(self):
        import jax

        self.jax, self.device, self.last = jax, jax.devices()[0], None

    def describe(self):
        """Its name and what drives it."""
        return f"{self.device.device_kind}, JAX {self.jax.__version__}"

    def set_precision(self, precision):
        """Let products of float32 values be rounded to tf32, or not."""
        choice = "highest" if precision == "float32" else "tensorfloat32"
        if self.device.platform == "cpu":
            choice = None  # it knows no tf32
        self.jax.config.update("jax_default_matmul_precision", choice)

    def wait(self):
        """Until the device has done all it was given."""
        if self.last is not None:
            self.jax.block_until_ready(self.last)

    def forget_peak(self):
        """The peak of a process of JAX cannot be set back."""

    def peak(self):
        """Bytes at the peak since the process began; None on a processor."""
        return (self.device.memory_stats() or {}).get("peak_bytes_in_use")

    def _repeatable(self, function, *arrays):
        compiled = self.jax.jit(function)

        def run():
            self.last = compiled(*arrays)

        return run

    def product(self, side, dtype):
        """A function that multiplies two matrices."""
        matrix = self.jax.random.normal(self.jax.random.key(0), (side, side)).astype(dtype)
        return self._repeatable(lambda x: x @ x, matrix)

    def copy(self, numbers):
        """A function that reads and writes as many float32 numbers on the device."""
        return self._repeatable(lambda x: -x, self.jax.numpy.arange(numbers, dtype="float32"))


def device_of(framework):
    """TorchDevice or JaxDevice."""
    return JaxDevice() if framework == "jax" else TorchDevice()


def per_call(device, function, repeats=REPEATS):
    """Seconds of one call, the median of three rows of calls that are not waited for singly."""
    function()
    device.wait()
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        device.wait()
        rounds.append((time.perf_counter() - start) / repeats)
    return float(np.median(rounds))


def ceilings(device, quick=False):
    """{"float32", "tf32", "bfloat16": FLOP a second, "bytes": bytes a second}, measured now."""
    side, numbers = (QUICK_SIDE, QUICK_COPY) if quick else (SIDE, COPY)
    found = {}
    for precision, dtype in PRODUCTS.items():
        device.set_precision(precision)
        found[precision] = 2 * side**3 / per_call(device, device.product(side, dtype))
    found["bytes"] = 8 * numbers / per_call(device, device.copy(numbers))
    return found
