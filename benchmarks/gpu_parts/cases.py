"""What the GPU command measures: one case a row of its table."""

import dataclasses

MODES = ("inference", "training")
PRECISIONS = ("float32", "tf32", "bfloat16")
FRAMEWORKS = ("torchvision", "torch", "jax")
SIZES = ((1024, 1024), (800, 1333))
BATCHES = {"inference": (1, 8), "training": (2, 4, 8, 16)}
QUICK_SIZES = ((128, 128), (100, 120))
QUICK_BATCHES = {"inference": (1, 2), "training": (2,)}


@dataclasses.dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        framework: "torchvision", or the Keras backend of ours: "torch" or "jax".
        mode: "inference" or "training".
        precision: "float32" (matrix products in full), "tf32" (float32 values, products of 10
            bits) or "bfloat16".
        batch: images.
        height, width: of an image in pixels.
    """

    framework: str
    mode: str
    precision: str
    batch: int
    height: int
    width: int

    @property
    def group(self):
        """Cases of one group share a process.

        JAX tells its peak memory since the start of the process alone, so there a process holds
        one mode and precision, in rising order of memory.
        """
        return (self.framework, *((self.mode, self.precision) if self.framework == "jax" else ()))

    @property
    def row(self):
        """The same work in any framework."""
        return self.mode, self.height, self.width, self.batch, self.precision


def all_cases(frameworks=FRAMEWORKS, modes=MODES, precisions=("tf32", "bfloat16"), quick=False):
    """Every case of these, in the order they are run."""
    sizes, batches = (QUICK_SIZES, QUICK_BATCHES) if quick else (SIZES, BATCHES)
    found = []
    for framework in frameworks:
        for mode in modes:
            for precision in precisions:
                for height, width in sizes if mode == "inference" else sizes[:1]:
                    found += [Case(framework, mode, precision, batch, height, width)
                              for batch in batches[mode]]
    # Small batches of everything first: the large ones are left out where the time is short.
    return sorted(found, key=lambda case: (frameworks.index(case.framework),
                                           case.mode == "training", case.batch))


def groups(cases):
    """{group: its cases}, in order."""
    found = {}
    for case in cases:
        found.setdefault(case.group, []).append(case)
    return found
