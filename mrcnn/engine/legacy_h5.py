"""Reader and writer of the legacy Keras-2 HDF5 weight layout.

The root of the file, or its group `model_weights`, has the attribute `layer_names`; the
group of each layer has `weight_names`, the datasets' paths inside the group. Lists too
long for one HDF5 attribute are cut in pieces named `layer_names0`, `layer_names1`, ...
Only numpy and h5py are needed, so nothing here depends on a Keras version.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from mrcnn._atomic import atomic_path
from mrcnn.engine.legacy_names import Key, weight_key

ATTRIBUTE_LIMIT = 64512  # bytes HDF5 keeps in one attribute of an object header
KERAS_VERSION = "2.12.0"  # what our files claim, so that old loaders take the modern path
TOP_LEVEL = "top_level_model_weights"  # group of variables that belong to no layer
_ERRNO = re.compile(r"errno = (\d+)")
_HALF_LIMIT = 6e4  # float16 ends at 65504


@dataclass(eq=False)
class LegacyWeights(Mapping):
    """What a legacy file holds: a mapping from (layer, leaf, weight) to its array.

    Attributes:
        path: the file.
        layers: all layer names in file order, those without weights included.
        arrays: {key: array}, in file order, dtype as stored.
        stored_names: {key: the dataset's name as the file writes it}.
        keras_version: as the file says, "1" when it does not.
        backend: as the file says, "" when it does not.
    """

    path: str
    layers: list[str]
    arrays: dict[Key, np.ndarray] = field(repr=False)
    stored_names: dict[Key, str] = field(repr=False)
    keras_version: str = "1"
    backend: str = ""

    def __getitem__(self, key: Key) -> np.ndarray:
        return self.arrays[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def by_layer(self) -> dict[str, list[Key]]:
        """{layer: its keys in file order}, layers without weights left out."""
        groups: dict[str, list[Key]] = {}
        for key in self.arrays:
            groups.setdefault(key[0], []).append(key)
        return groups


def read_legacy_h5(path: str | os.PathLike) -> LegacyWeights:
    """Read every weight of a legacy Keras HDF5 file.

    Args:
        path: a weights file, or a whole model saved by Keras 2 (`model_weights` group).

    Returns:
        LegacyWeights, arrays in the stored dtype (float16 and float32 both occur).

    Raises:
        FileNotFoundError: no such file; says where it was looked for.
        ValueError: the file is not in this layout, or cut short or damaged; names the file
            and what it seems to be.
    """
    with open_h5(path) as file:
        root = _weights_root(file, path)
        layers = _read_names(root, "layer_names")
        arrays: dict[Key, np.ndarray] = {}
        stored: dict[Key, str] = {}
        groups = layers + [TOP_LEVEL] if TOP_LEVEL in root else layers
        for layer in groups:
            for name in _read_names(_member(root, layer, path), "weight_names"):
                key = weight_key(layer, name)
                if key in arrays:  # two weights that differ only in a number: keep both
                    key = (layer, key[1], name)
                arrays[key] = _read_array(root, layer, name, path)
                stored[key] = name
        version, backend = (_text(root.attrs.get(k, "")) for k in ("keras_version", "backend"))
    return LegacyWeights(str(path), layers, arrays, stored, version or "1", backend)


def check_legacy_h5(path: str | os.PathLike) -> int:
    """Check that a file has the legacy layout and is complete, without reading its arrays.

    Returns:
        How many weights it lists.

    Raises:
        FileNotFoundError, ValueError: as `read_legacy_h5`.
    """
    with open_h5(path) as file:
        root = _weights_root(file, path)
        names = [
            (layer, name)
            for layer in _read_names(root, "layer_names")
            for name in _read_names(_member(root, layer, path), "weight_names")
        ]
        for layer, name in names:
            _member(root, f"{layer}/{name}", path)
    if not names:
        raise ValueError(f"{path}: the file has the legacy Keras layout but holds no weights")
    return len(names)


def weight_shapes(path: str | os.PathLike) -> dict[Key, tuple]:
    """{(layer, leaf, weight): shape} of a file, its arrays left unread.

    Raises:
        FileNotFoundError, ValueError: as `read_legacy_h5`.
    """
    with open_h5(path) as file:
        root = _weights_root(file, path)
        return {
            weight_key(layer, name): _member(root, f"{layer}/{name}", path).shape
            for layer in _read_names(root, "layer_names")
            for name in _read_names(_member(root, layer, path), "weight_names")
        }


def write_legacy_h5(
    path: str | os.PathLike,
    layers: Iterable[tuple[str, Sequence[tuple[str, np.ndarray]]]],
    extra: Callable[[h5py.File], None] | None = None,
    *,
    half: bool = False,
) -> None:
    """Write the layout that Keras 2 and the old Mask R-CNN ports load by name; atomic.

    Args:
        path: target, replaced as a whole; its folder is created when missing.
        layers: (layer name, [(weight name such as `conv1/kernel:0`, array), ...]) in layer
            order; a layer without weights has an empty list.
        extra: called with the open file to add groups that old loaders ignore.
        half: keep arrays of two or more dimensions as compressed float16 (a quarter to
            half the size); values above 6e4 stay float32.

    Raises:
        OSError: it cannot be written; the message names the file and the reason.
    """
    layers = list(layers)
    with atomic_path(path) as temp, _system_errors(), h5py.File(temp, "w") as file:
        _write_names(file, "layer_names", [n for n, _ in layers if n != TOP_LEVEL])
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_(KERAS_VERSION)
        # sorted, so that a name which is another one's prefix comes first
        for layer, weights in sorted(layers, key=lambda item: item[0]):
            group = file.require_group(layer)
            _write_names(group, "weight_names", [name for name, _ in weights])
            for name, array in weights:
                _write_array(group, name, np.asarray(array), half)
        if extra is not None:
            extra(file)


@contextmanager
def _system_errors():
    """h5py tells of a full disk in a page of text: the system's error in its place."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = _ERRNO.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _write_array(group: h5py.Group, name: str, array: np.ndarray, half: bool) -> None:
    small = half and array.ndim > 1 and np.abs(array).max(initial=0) < _HALF_LIMIT
    if small:
        group.create_dataset(name, data=array.astype(np.float16), compression="gzip")
    else:
        group.create_dataset(name, data=array)


def _write_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    """Store names as fixed-length bytes, which old and new h5py both give back as bytes."""
    if not names:
        group.attrs[attribute] = np.zeros(0)
        return
    data = np.array([name.encode("utf8") for name in names])
    if data.nbytes <= ATTRIBUTE_LIMIT:
        group.attrs[attribute] = data
        return
    per_piece = ATTRIBUTE_LIMIT // data.itemsize
    if per_piece == 0:
        raise ValueError(f"{attribute}: a name of {data.itemsize} bytes does not fit an attribute")
    for number, start in enumerate(range(0, len(data), per_piece)):
        group.attrs[f"{attribute}{number}"] = data[start : start + per_piece]


def _read_names(group: h5py.Group, attribute: str) -> list[str]:
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    names: list[str] = []
    for number in itertools.count():
        if f"{attribute}{number}" not in group.attrs:
            return names
        names += [_text(name) for name in group.attrs[f"{attribute}{number}"]]


def _text(value: str | bytes) -> str:
    return value.decode("utf8") if isinstance(value, bytes) else str(value)


def open_h5(path: str | os.PathLike) -> h5py.File:
    """Open for reading, or say what the file is instead.

    Raises:
        FileNotFoundError, ValueError: as `read_legacy_h5`.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"No weights file {str(path)!r} (looked for {path.absolute()}; "
            f"the current folder is {Path.cwd()})"
        )
    if path.is_dir():
        raise ValueError(f"{path}: expected a legacy Keras .h5 file, received a folder")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        what = f"{_guess(path)} ({error})"
        raise ValueError(f"{path}: expected a legacy Keras .h5 file, {what}") from error


def _guess(path: Path) -> str:
    """What a file that h5py cannot open seems to be, from its first bytes."""
    with open(path, "rb") as file:
        head = file.read(512)
    text = head.lstrip().lower()
    size = path.stat().st_size
    if not head:
        return "received an empty file"
    if head.startswith(b"\x89HDF"):
        return f"but this one is cut short or damaged ({size} bytes); download or copy it again"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "received a web page: the download saved an error or log-in page"
    if text.startswith(b"version https://git-lfs"):
        return "received a Git LFS pointer: the file itself was never fetched"
    if head[8:10] == b'{"':
        return ("received a .safetensors file, which is not read here; in PyTorch save the weights "
                "with torch.save(state_dict, 'model.pth')")
    if head.startswith(b"PK"):
        return "received a zip archive: perhaps a Keras 3 .keras file, which holds no such layout"
    return f"received something that is not HDF5 (first bytes {head[:8]!r}, {size} bytes)"


def _weights_root(file: h5py.File, path: str | os.PathLike) -> h5py.Group:
    """The group with `layer_names`."""
    for root in (file, file.get("model_weights")):
        if isinstance(root, h5py.Group) and {"layer_names", "layer_names0"} & set(root.attrs):
            return root
    keys = sorted(file)
    if {"layers", "_layer_checkpoint_dependencies"} & set(keys):
        what = "this is a Keras 3 .weights.h5 file; write it with save_weights of this package"
    else:
        what = f"it has no `layer_names` attribute (groups: {', '.join(keys[:8]) or 'none'})"
    raise ValueError(f"{path}: expected the legacy Keras layout of Mask R-CNN files, but {what}")


def _member(root: h5py.Group, name: str, path: str | os.PathLike) -> h5py.Group | h5py.Dataset:
    try:
        return root[name]
    except (KeyError, OSError) as error:
        raise ValueError(
            f"{path}: the file lists {name!r} but does not hold it; it is damaged"
        ) from error


def _read_array(root: h5py.Group, layer: str, name: str, path: str | os.PathLike) -> np.ndarray:
    dataset = _member(root, f"{layer}/{name}", path)
    try:
        return np.asarray(dataset)
    except OSError as error:
        raise ValueError(f"{path}: cannot read {layer}/{name}; the file is damaged") from error
