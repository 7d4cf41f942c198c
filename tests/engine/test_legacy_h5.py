"""The legacy HDF5 layout: every spelling of names that exists, faults, and the writer."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mrcnn.engine.legacy_h5 import check_legacy_h5, read_legacy_h5, write_legacy_h5
from mrcnn.engine.legacy_names import match_leaves, weight_key

ROOT = Path(__file__).resolve().parents[2]
KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)
BIAS = np.arange(4, dtype=np.float32)


def write_raw(path, layers, root="/", text=bytes):
    """A legacy file by hand: {layer: {weight name: array}}."""
    convert = (lambda n: n.encode()) if text is bytes else (lambda n: n)
    with h5py.File(path, "w") as file:
        group = file.require_group(root)
        group.attrs["layer_names"] = [convert(name) for name in layers]
        for layer, weights in layers.items():
            file_group = group.create_group(layer)
            file_group.attrs["weight_names"] = [convert(name) for name in weights]
            for name, array in weights.items():
                file_group.create_dataset(name, data=array)
    return path


@pytest.mark.parametrize(
    ("layer", "stored", "key"),
    [
        ("conv1", "conv1/kernel:0", ("conv1", "conv1", "kernel")),
        ("conv1", "conv1_1/kernel:0", ("conv1", "conv1", "kernel")),
        ("conv1", "conv1/kernel_1:0", ("conv1", "conv1", "kernel")),
        ("conv1", "conv1/kernel", ("conv1", "conv1", "kernel")),
        ("conv1", "mask_rcnn/conv1/bias:0", ("conv1", "conv1", "bias")),
        ("conv1", "conv1_W_1:0", ("conv1", "conv1", "kernel")),
        ("conv1", "conv1_b_1:0", ("conv1", "conv1", "bias")),
        ("conv1", "conv1/conv1_W:0", ("conv1", "conv1", "kernel")),
        ("conv1", "conv1_2/conv1_b:0", ("conv1", "conv1", "bias")),
        ("bn_conv1", "bn_conv1_gamma_1:0", ("bn_conv1", "bn_conv1", "gamma")),
        ("bn_conv1", "bn_conv1_beta_1:0", ("bn_conv1", "bn_conv1", "beta")),
        ("bn_conv1", "bn_conv1_running_mean_1:0", ("bn_conv1", "bn_conv1", "moving_mean")),
        ("bn_conv1", "bn_conv1_running_std_1:0", ("bn_conv1", "bn_conv1", "moving_variance")),
        ("bn_conv1", "bn_conv1_1/moving_variance:0", ("bn_conv1", "bn_conv1", "moving_variance")),
        ("rpn_model", "rpn_class_raw/bias:0", ("rpn_model", "rpn_class_raw", "bias")),
        ("rpn_model", "rpn_class_raw_1/bias:0", ("rpn_model", "rpn_class_raw_1", "bias")),
        ("anchors", "Variable:0", ("anchors", "anchors", "Variable")),
        ("dw", "dw/depthwise_kernel_2:0", ("dw", "dw", "depthwise_kernel")),
    ],
)
def test_weight_key(layer, stored, key):
    """Each spelling comes down to one key."""
    assert weight_key(layer, stored) == key


@pytest.mark.parametrize(
    ("file", "model", "expected"),
    [
        (["a", "b"], ["a", "b"], {"a": "a", "b": "b"}),
        (["a_1", "b_1"], ["a", "b"], {"a_1": "a", "b_1": "b"}),
        (["dense", "dense_1"], ["dense", "dense_1"], {"dense": "dense", "dense_1": "dense_1"}),
        (["dense_1", "dense_2"], ["dense", "dense_1"], {"dense_1": "dense_1"}),
        (["a_1", "c"], ["a", "b"], {"a_1": "a"}),
        (["conv2d_7"], ["nested"], {"conv2d_7": "nested"}),
        (["x"], ["a", "b"], {}),
    ],
)
def test_match_leaves_never_guesses_by_order(file, model, expected):
    """Numbers that made names unique are seen through; what is left stays unmatched."""
    assert match_leaves("nested", file, model) == expected


def test_reads_golden_file(golden_dir):
    """The recorded checkpoint: every weight of the layout, with its shape."""
    weights = read_legacy_h5(golden_dir / "matterport_layout_shapes_r50.h5")
    layout = json.loads((golden_dir / "matterport_layers.json").read_text())
    layers = layout["resnet50_inference"]["layers"]
    expected = {weight_key(layer, name) for layer, names in layers.items() for name in names}
    assert set(weights) - expected == {("anchors", "anchors", "Variable")}
    assert expected <= set(weights)
    assert len(weights) == 385
    assert "ROI" in weights.layers and "ROI" not in weights.by_layer()
    assert weights["conv1", "conv1", "kernel"].dtype == np.float16
    assert weights["conv1", "conv1", "kernel"].shape == (7, 7, 3, 64)
    assert (weights.keras_version, weights.backend) == ("2.12.0", "tensorflow")
    assert check_legacy_h5(golden_dir / "matterport_layout_shapes_r50.h5") == 385


@pytest.mark.parametrize("model", ["resnet50_training", "resnet101_inference"])
def test_reads_numbered_layouts(golden_dir, tmp_path, model):
    """Names with the numbers that a second model in one session gets."""
    layers = json.loads((golden_dir / "matterport_layers.json").read_text())[model]["layers"]
    arrays = {
        layer: {name: np.zeros(0, np.float32) for name in names} for layer, names in layers.items()
    }
    weights = read_legacy_h5(write_raw(tmp_path / "numbered.h5", arrays))
    assert len(weights) == sum(map(len, layers.values()))
    leaves = {key[1] for key in weights if key[0] == "rpn_model"}
    number = "_1" if model == "resnet50_training" else "_2"
    assert leaves == {f"rpn_{x}{number}" for x in ("conv_shared", "class_raw", "bbox_pred")}
    assert all(key[0] == key[1] for key in weights if key[0] != "rpn_model")


@pytest.mark.parametrize("text", [bytes, str])
@pytest.mark.parametrize("root", ["/", "model_weights"])
def test_reads_both_roots_and_both_kinds_of_text(tmp_path, root, text):
    """A weights file and a whole model; names as bytes (h5py 2) or text (h5py 3)."""
    layers = {"input": {}, "conv1": {"conv1/kernel:0": KERNEL, "conv1/bias:0": BIAS}}
    weights = read_legacy_h5(write_raw(tmp_path / "a.h5", layers, root, text))
    assert weights.layers == ["input", "conv1"]
    assert (weights.keras_version, weights.backend) == ("1", "")
    np.testing.assert_array_equal(weights["conv1", "conv1", "kernel"], KERNEL)
    np.testing.assert_array_equal(weights["conv1", "conv1", "bias"], BIAS)


def test_keeps_weights_that_differ_only_in_a_number(tmp_path):
    """Nothing is dropped without a word."""
    layers = {"odd": {"odd/kernel:0": KERNEL, "odd/kernel_1:0": KERNEL + 1}}
    assert len(read_legacy_h5(write_raw(tmp_path / "a.h5", layers))) == 2


def test_written_file_reads_back(tmp_path):
    """Names, order, values, empty layers."""
    layers = [
        ("input_image", []),
        ("conv1", [("conv1/kernel:0", KERNEL), ("conv1/bias:0", BIAS)]),
        ("a", [("a/kernel:0", KERNEL * 2)]),
    ]
    path = tmp_path / "new" / "a.h5"
    write_legacy_h5(path, layers, extra=lambda file: file.create_group("more"))
    weights = read_legacy_h5(path)
    assert weights.layers == ["input_image", "conv1", "a"]
    assert list(weights) == [("conv1",) * 2 + ("kernel",), ("conv1",) * 2 + ("bias",),
                             ("a", "a", "kernel")]
    np.testing.assert_array_equal(weights["a", "a", "kernel"], KERNEL * 2)
    with h5py.File(path) as file:
        assert "more" in file
        assert file.attrs["keras_version"].decode().startswith("2.")  # old loaders call decode
        assert all(isinstance(name, bytes) for name in file.attrs["layer_names"])
        assert len(file["input_image"].attrs["weight_names"]) == 0


def test_half_precision(tmp_path):
    """Kernels become float16 unless they do not fit; vectors stay float32."""
    big = np.full((2, 2), 1e5, np.float32)
    layers = [("a", [("a/kernel:0", KERNEL), ("a/bias:0", BIAS)]), ("b", [("b/kernel:0", big)])]
    write_legacy_h5(tmp_path / "half.h5", layers, half=True)
    weights = read_legacy_h5(tmp_path / "half.h5")
    assert weights["a", "a", "kernel"].dtype == np.float16
    assert weights["a", "a", "bias"].dtype == np.float32
    np.testing.assert_array_equal(weights["b", "b", "kernel"], big)


def test_long_lists_are_cut_in_pieces(tmp_path):
    """HDF5 keeps at most 64 kB in one attribute."""
    names = [f"layer_{'x' * 90}_{number:04d}" for number in range(1500)]
    weights = [(f"many/weight_{'y' * 90}_{number:04d}:0", BIAS) for number in range(1000)]
    write_legacy_h5(tmp_path / "a.h5", [(name, []) for name in names] + [("many", weights)])
    with h5py.File(tmp_path / "a.h5") as file:
        assert "layer_names" not in file.attrs and "layer_names2" in file.attrs
        assert "weight_names1" in file["many"].attrs
    read = read_legacy_h5(tmp_path / "a.h5")
    assert read.layers == names + ["many"]
    assert list(read.stored_names.values()) == [name for name, _ in weights]


def test_failed_write_leaves_the_old_file(tmp_path):
    """Whole or not at all, and no rubbish."""
    path = tmp_path / "a.h5"
    write_legacy_h5(path, [("conv1", [("conv1/bias:0", BIAS)])])

    def fail(file):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_legacy_h5(path, [("conv1", [("conv1/bias:0", BIAS + 1)])], extra=fail)
    np.testing.assert_array_equal(read_legacy_h5(path)["conv1", "conv1", "bias"], BIAS)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


FULL = """
import resource, sys
import numpy as np
from mrcnn.engine.legacy_h5 import write_legacy_h5
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    write_legacy_h5(sys.argv[1], [("a", [("a/kernel:0", np.ones(20_000, np.float32))])])
except OSError as error:
    print(error.filename, error.strerror)
"""


@pytest.mark.parametrize("room", [0, 1_000, 30_000])
def test_a_file_that_cannot_grow_is_an_error_that_names_it(tmp_path, room):
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "a.h5"), str(room)],
                          cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == f"{tmp_path / 'a.h5'} File too large\n", done
    assert not list(tmp_path.iterdir())


def test_missing_file_says_where(tmp_path, monkeypatch):
    """The absolute path is in the message."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"looked for {tmp_path}/no.h5"):
        read_legacy_h5("no.h5")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html>404</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"PK\x03\x04rest of a zip", "Keras 3 .keras"),
        (b"\x80\x02pickle", "not HDF5"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, content, message):
    """The message names the file and what it seems to be."""
    (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(ValueError, match=f"w.h5.*{message}"):
        read_legacy_h5(tmp_path / "w.h5")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_truncated_file(tmp_path, part):
    """Cut short anywhere."""
    path = tmp_path / "w.h5"
    write_legacy_h5(path, [("conv1", [("conv1/kernel:0", np.ones((99, 99), np.float32))])])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    for read in (read_legacy_h5, check_legacy_h5):
        with pytest.raises(ValueError, match="w.h5.*cut short or damaged"):
            read(path)


def test_other_hdf5_files(tmp_path):
    """Keras 3 weights, data of somebody else, a list that promises too much, a folder."""
    with h5py.File(tmp_path / "keras3.weights.h5", "w") as file:
        file.create_group("layers/conv1/vars")
    with pytest.raises(ValueError, match="keras3.weights.h5.*Keras 3 .weights.h5"):
        read_legacy_h5(tmp_path / "keras3.weights.h5")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_group("measurements")
    with pytest.raises(ValueError, match="no `layer_names`.*measurements"):
        read_legacy_h5(tmp_path / "data.h5")
    path = write_raw(tmp_path / "holes.h5", {"conv1": {"conv1/kernel:0": KERNEL}})
    with h5py.File(path, "a") as file:
        del file["conv1/conv1/kernel:0"]
    for read in (read_legacy_h5, check_legacy_h5):
        with pytest.raises(ValueError, match="holes.h5.*conv1/conv1/kernel:0.*damaged"):
            read(path)
    with pytest.raises(ValueError, match="received a folder"):
        read_legacy_h5(tmp_path)


def test_file_without_weights_is_no_download(tmp_path):
    """The layout alone is not enough."""
    write_legacy_h5(tmp_path / "a.h5", [("input", [])])
    with pytest.raises(ValueError, match="holds no weights"):
        check_legacy_h5(tmp_path / "a.h5")
