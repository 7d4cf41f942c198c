"""Load and save weights in the legacy layout, with the checks Keras never made.

A load is planned and checked as a whole before the first variable changes, and every
variable is read back afterwards: a file that does not fit raises and leaves the model as
it was, instead of a detector that quietly answers at random.
"""

import difflib
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

import keras
import numpy as np

from mrcnn.config import Config
from mrcnn.engine.legacy_h5 import LegacyWeights, read_legacy_h5, write_legacy_h5
from mrcnn.engine.legacy_names import Key
from mrcnn.engine.weights_advice import HEADS, key_name, some
from mrcnn.engine.weights_bias import without_biases
from mrcnn.engine.weights_check import check_fit
from mrcnn.engine.weights_plan import Assignment, Plan, plan_by_name, plan_by_order, variable_table
from mrcnn.engine.zoo.fitting import fit_to_model
from mrcnn.engine.zoo.reading import is_zoo_file, read_zoo

__all__ = ["LoadReport", "load_weights_by_name", "save_weights", "variable_table"]


@dataclass
class LoadReport:
    """What a load did. Weights are named `layer/weight` (`nested/layer/weight` when nested).

    Attributes:
        path: the file.
        loaded: copied and read back equal.
        skipped: (name, file shape or None, model shape) of what `exclude` left alone.
        missing: in the model, not in the file (still as initialised).
        unused: in the file, not in the model.
        notes: other things worth knowing, as sentences.
    """

    path: str
    loaded: list[str] = field(default_factory=list)
    skipped: list[tuple[str, tuple | None, tuple]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """A few lines of plain text."""
        total = len(self.loaded) + len(self.skipped) + len(self.missing)
        lines = [f"{self.path}: loaded {len(self.loaded)} of the model's {total} weights"]
        groups = (
            ("excluded", [name for name, _, _ in self.skipped]),
            ("not in the file", self.missing),
            ("in the file but not in the model", self.unused),
        )
        lines += [f"  {len(names)} {what}: {some(names)}" for what, names in groups if names]
        return "\n".join(lines + [f"  {note}" for note in self.notes])


def load_weights_by_name(
    model: keras.Model,
    path: str | os.PathLike,
    exclude: Iterable[str] | str = (),
    mode: str = "inference",
    by_name: bool = True,
    verbose: int = 0,
    config: Config | None = None,
) -> LoadReport:
    """Copy weights of a legacy HDF5 file, or of torchvision or detectron2, into a model.

    Args:
        model: the model; unchanged when this raises.
        path: a file in the legacy Keras layout (Matterport's, this package's, ImageNet's), or
            one that `zoo.reading` reads; those go by name.
        exclude: names of layers to leave alone, top-level or inside a nested model; the word
            "heads" stands for the four layers that depend on the number of classes.
        mode: "inference" demands every variable; "training" demands one whole backbone
            stage, and that nothing with a matching name has another shape. There a first
            convolution for RGB is adapted to another IMAGE_CHANNEL_COUNT.
        by_name: False pairs layers by their order; where every layer of the model has its
            name in the file, or with `exclude`, names decide all the same.
        verbose: 1 prints the summary.
        config: what the model was built with, to compare with what another zoo's file needs.

    Returns:
        LoadReport.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a legacy file, or it does not fit; the message says what to change.
    """
    if mode not in ("inference", "training"):
        raise ValueError(f'mode: expected "inference" or "training", received {mode!r}')
    table = list(variable_table(model))
    names = _exclude_names(exclude, model, table)
    file, notes = _read(path, model, table, config, names)
    _check_backend(file)
    if by_name or notes or names or {key[0] for key, _ in table} <= {key[0] for key in file}:
        channels = _image_channels(model) if mode == "training" else 3
        plan = plan_by_name(table, file, names, channels)
    else:
        plan = plan_by_order(table, file)
    shapes = {key: tuple(variable.shape) for key, variable in table}
    check_fit(plan, file, shapes, mode)
    for assignment in plan.assignments:
        _check_finite(assignment, file)
    _assign(plan.assignments, file)
    plan.notes[:0] = notes
    report = _report(plan, file)
    if verbose:
        print(report.summary())
    return report


def _read(path, model, table, config, names):
    """(weights of a file of any kind, sentences on what was changed in them)."""
    if is_zoo_file(path):
        file = read_zoo(path)
        return file, fit_to_model(file, model, config, names)
    return without_biases(read_legacy_h5(path), {key for key, _ in table})


def save_weights(model: keras.Model, path: str | os.PathLike, *, half: bool = False) -> None:
    """Write a model's weights in the legacy layout, atomically.

    Old ports load the file by name. For a checkpoint that also keeps the optimizer see
    `checkpoints.save_checkpoint`.

    Args:
        model: the model.
        path: target file, usually `.h5`.
        half: store kernels as compressed float16.
    """
    write_legacy_h5(path, layer_weights(model), half=half)


def layer_weights(model: keras.Model) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
    """[(layer, [(weight name as Keras 2 wrote it, array)])] for `write_legacy_h5`."""
    layers: dict[str, list[tuple[str, np.ndarray]]] = {layer.name: [] for layer in model.layers}
    for (layer, leaf, weight), variable in variable_table(model):
        array = _to_numpy(variable)
        layers.setdefault(layer, []).append((f"{leaf}/{weight}:0", array))
    return list(layers.items())


def _to_numpy(variable: keras.Variable) -> np.ndarray:
    array = np.asarray(keras.ops.convert_to_numpy(variable))
    return array if array.dtype.kind in "biu" else array.astype(np.float32, copy=False)


def _exclude_names(
    exclude: Iterable[str] | str | None, model: keras.Model, table: list[tuple[Key, object]]
) -> set[str]:
    """The set of layer names meant; warns about names that are no layer."""
    wanted = [exclude] if isinstance(exclude, str) else list(exclude or ())
    names = {n for name in wanted for n in (HEADS if name == "heads" else (name,))}
    known = {layer.name for layer in model.layers} | {k[1] for k, _ in table} | set(HEADS)
    for name in sorted(names - known):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        warnings.warn(f"exclude: the model has no layer {name!r}{hint}", stacklevel=3)
    return names


def _check_backend(file: LegacyWeights) -> None:
    if file.backend in ("theano", "cntk"):
        raise ValueError(
            f"{file.path}: written on the {file.backend} backend, whose convolution kernels are "
            "stored differently; convert it with the Keras version that wrote it"
        )


def _image_channels(model: keras.Model) -> int:
    """Channels of the model's image input; 3 where that cannot be told."""
    images = [x for x in model.inputs if len(x.shape) == 4]
    images = [x for x in images if x.name.startswith("input_image")] or images
    return (images[0].shape[-1] or 3) if images else 3


def _check_finite(assignment: Assignment, file: LegacyWeights) -> None:
    if assignment.array.dtype.kind == "f" and not np.isfinite(assignment.array).all():
        raise ValueError(
            f"{file.path}: {key_name(assignment.key)} holds NaN or infinity; the training that "
            "wrote the file had diverged. Use an earlier checkpoint"
        )


def _assign(assignments: list[Assignment], file: LegacyWeights) -> None:
    """Copy, then read every variable back."""
    for assignment in assignments:
        assignment.variable.assign(assignment.array)
    for assignment in assignments:
        kept = keras.ops.convert_to_numpy(assignment.variable)
        if not np.array_equal(kept, assignment.array.astype(kept.dtype)):
            raise RuntimeError(
                f"{file.path}: {key_name(assignment.key)} does not hold what was assigned to it"
            )


def _report(plan: Plan, file: LegacyWeights) -> LoadReport:
    return LoadReport(
        path=file.path,
        loaded=[key_name(assignment.key) for assignment in plan.assignments],
        skipped=[(key_name(key), stored, shape) for key, stored, shape in plan.excluded],
        missing=[key_name(key) for key in plan.missing],
        unused=[key_name(key) for key in plan.unused],
        notes=plan.notes,
    )
