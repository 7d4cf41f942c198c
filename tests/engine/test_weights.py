"""Loading and saving weights: what must fit, what is refused, and the old loaders' view."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from small_network import build_rpn, build_small, randomise, values_of

from mrcnn.engine.checkpoints import save_checkpoint
from mrcnn.engine.legacy_h5 import read_legacy_h5, write_legacy_h5
from mrcnn.engine.weights import load_weights_by_name, save_weights, variable_table
from mrcnn.engine.weights_advice import HEADS, backbone_name
from mrcnn.engine.weights_plan import adapt_channels

FOUR = "['mrcnn_class_logits', 'mrcnn_bbox_fc', 'mrcnn_bbox', 'mrcnn_mask']"


@pytest.fixture(scope="module")
def trained():
    """A model whose every weight has its own values."""
    return randomise(build_small())


@pytest.fixture
def file(trained, tmp_path):
    """Its weights in a file."""
    save_weights(trained, tmp_path / "w.h5")
    return tmp_path / "w.h5"


def assert_same(model, other):
    """All weights of two models, bit by bit."""
    for mine, theirs in zip(values_of(model), values_of(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def table_values(model):
    """{key: array}."""
    return {key: keras.ops.convert_to_numpy(v) for key, v in variable_table(model)}


def rewrite(source, target, change):
    """Copy a legacy file; `change(layer, name, array)` gives (name, array) or None."""
    file = read_legacy_h5(source)
    layers = {layer: [] for layer in file.layers}
    for key, array in file.items():
        changed = change(key[0], file.stored_names[key], array)
        if changed is not None:
            layers[key[0]].append(changed)
    write_legacy_h5(target, layers.items())
    return target


def test_variable_table(trained):
    """Every variable once; wrappers under their own name, nested layers as leaves."""
    table = list(variable_table(trained))
    keys = [key for key, _ in table]
    assert len(set(keys)) == len(keys) == len(trained.weights)
    assert {id(v) for _, v in table} == {id(v) for v in trained.weights}
    assert [key[1:] for key in keys if key[0] == "rpn_model"] == [
        (f"rpn_{leaf}", weight)
        for leaf in ("conv_shared", "class_raw", "bbox_pred")
        for weight in ("kernel", "bias")
    ]
    assert [key[1:] for key in keys if key[0] == "mrcnn_class_bn1"] == [
        ("mrcnn_class_bn1", w) for w in ("gamma", "beta", "moving_mean", "moving_variance")
    ]


def test_variable_table_of_odd_models():
    """Shared layers come once; deeper nesting, composites and a model's own variable too."""
    inner = build_rpn(2)
    image = keras.Input((4, 4, 2))
    outer = keras.Model(image, inner(image), name="outer")
    query = keras.layers.Reshape((16, 2))(image)
    attention = keras.layers.MultiHeadAttention(1, 2, name="mha")(query, query)
    model = keras.Model(image, [*outer(image), *inner(image), attention])
    model.own = model.add_weight(shape=(3,), name="own")
    table = list(variable_table(model))
    assert len({key for key, _ in table}) == len(table) == len(model.weights)
    keys = [key for key, _ in table]
    assert ("mha", "query", "kernel") in keys
    assert sum(key[1] == "rpn_class_raw" for key in keys) == 2
    assert keys[-1] == ("top_level_model_weights", "top_level_model_weights", "own")


def test_save_and_load(trained, file):
    """Bit-equal, and the report is complete."""
    model = build_small()
    report = load_weights_by_name(model, file)
    assert_same(model, trained)
    assert len(report.loaded) == len(model.weights)
    assert "conv1/kernel" in report.loaded and "rpn_model/rpn_class_raw/bias" in report.loaded
    assert report.skipped == report.missing == report.unused == report.notes == []
    assert f"loaded {len(model.weights)} of the model's {len(model.weights)}" in report.summary()


def test_file_holds_the_layout(trained, file):
    """Every layer has its group; order and names are those of Keras 2."""
    with h5py.File(file) as h5:
        names = [name.decode() for name in h5.attrs["layer_names"]]
        assert names == [layer.name for layer in trained.layers]
        assert set(h5) == set(names)
        assert [n.decode() for n in h5["rpn_model"].attrs["weight_names"]][:3] == [
            "rpn_conv_shared/kernel:0", "rpn_conv_shared/bias:0", "rpn_class_raw/kernel:0"
        ]
        assert [n.decode() for n in h5["bn_conv1"].attrs["weight_names"]] == [
            f"bn_conv1/{w}:0" for w in ("gamma", "beta", "moving_mean", "moving_variance")
        ]


def test_frozen_layers_do_not_change_the_file(trained, tmp_path):
    """Keras' own writers reorder; this one must not, or loading by order would swap."""
    model = build_small()
    model.set_weights(trained.get_weights())
    save_weights(model, tmp_path / "free.h5")
    model.get_layer("rpn_model").get_layer("rpn_class_raw").trainable = False
    model.get_layer("bn_conv1").trainable = False
    save_weights(model, tmp_path / "frozen.h5")
    free, frozen = (read_legacy_h5(tmp_path / f"{n}.h5") for n in ("free", "frozen"))
    assert list(free.stored_names.values()) == list(frozen.stored_names.values())
    target = build_small()
    target.get_layer("rpn_model").get_layer("rpn_conv_shared").trainable = False
    load_weights_by_name(target, tmp_path / "frozen.h5")
    for key, array in table_values(target).items():
        np.testing.assert_array_equal(array, free[key])


def test_half_file_loads_into_float32(trained, tmp_path):
    """The rounded values arrive."""
    save_weights(trained, tmp_path / "half.h5", half=True)
    model = build_small()
    load_weights_by_name(model, tmp_path / "half.h5")
    kernel = trained.get_layer("conv1").get_weights()[0].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(model.get_layer("conv1").get_weights()[0], kernel)


def test_stray_layer_is_unused(trained, file, tmp_path):
    """The `anchors` variable of TF2 ports is reported and harmless, by name and by order."""
    source = read_legacy_h5(file)
    layers = [(n, [(source.stored_names[k], source[k]) for k in source if k[0] == n])
              for n in source.layers]
    layers.insert(3, ("anchors", [("Variable:0", np.zeros((2, 9, 4)))]))
    write_legacy_h5(tmp_path / "stray.h5", layers)
    for by_name in (True, False):
        model = build_small()
        report = load_weights_by_name(model, tmp_path / "stray.h5", by_name=by_name)
        assert report.unused == ["anchors/Variable"]
        assert_same(model, trained)


def test_wrapped_layers_inner_name_does_not_matter(trained, file, tmp_path):
    """A TimeDistributed group whose weights carry the inner layer's automatic name."""
    def inner_names(layer, name, array):
        return (name.replace(layer, f"{layer}/conv2d_9") if "mrcnn" in layer else name, array)

    model = build_small()
    load_weights_by_name(model, rewrite(file, tmp_path / "inner.h5", inner_names))
    assert_same(model, trained)


def test_old_imagenet_names(trained, file, tmp_path):
    """Keras-1 leaf names, backbone only: enough for training, not for inference."""
    words = {"kernel": "W", "bias": "b", "moving_mean": "running_mean",
             "moving_variance": "running_std"}

    def old(layer, name, array):
        weight = name.split("/")[-1].removesuffix(":0")
        return (f"{layer}_{words.get(weight, weight)}_1:0", array) if layer[0] in "crb" and (
            layer != "rpn_model") else None

    path = rewrite(file, tmp_path / "imagenet.h5", old)
    model = build_small()
    report = load_weights_by_name(model, path, mode="training")
    np.testing.assert_array_equal(
        model.get_layer("bn_conv1").moving_variance, trained.get_layer("bn_conv1").moving_variance
    )
    assert len(report.loaded) == 12 and "fpn_c5p5/kernel" in report.missing
    assert "not in the file: fpn_c5p5/kernel" in report.summary()
    with pytest.raises(ValueError, match=r"imagenet.h5.*not in it: fpn_c5p5/kernel.*\nInference"):
        load_weights_by_name(model, path)


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_other_class_count(file, mode):
    """Both counts and the exclude list; the refused load leaves the model untouched."""
    model = randomise(build_small(classes=7), seed=1)
    before = values_of(model)
    with pytest.raises(ValueError, match="the file has 4 classes, this model 7") as error:
        load_weights_by_name(model, file, mode=mode)
    assert f"exclude={FOUR}" in str(error.value)
    for now, then in zip(values_of(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("exclude", ["heads", list(HEADS), ["mrcnn_class_logits", "heads"]])
def test_exclude_heads(trained, file, exclude):
    """The rest is loaded, the heads stay."""
    model = randomise(build_small(classes=7), seed=1)
    heads = model.get_layer("mrcnn_mask").get_weights()
    report = load_weights_by_name(model, file, exclude, mode="training")
    assert len(report.skipped) == 6
    assert ("mrcnn_mask/bias", (4,), (7,)) in report.skipped
    np.testing.assert_array_equal(model.get_layer("mrcnn_mask").get_weights()[0], heads[0])
    np.testing.assert_array_equal(
        model.get_layer("conv1").get_weights()[0], trained.get_layer("conv1").get_weights()[0]
    )


def test_advised_exclude_list_works(file):
    """Several differences at once: what the message says is enough, word by word."""
    model = build_small(classes=7, fpn=8)
    with pytest.raises(ValueError, match="TOP_DOWN_PYRAMID_SIZE is 4 in the file, 8") as error:
        load_weights_by_name(model, file, ["mrcnn_mask"], mode="training")
    text = str(error.value)
    advised = ast.literal_eval(text[text.index("exclude=") + 8 : text.rindex("]") + 1])
    report = load_weights_by_name(model, file, advised, mode="training")
    assert "conv1/kernel" in report.loaded and "rpn_model/rpn_class_raw/kernel" in report.loaded
    assert {name.split("/")[-2] for name, _, _ in report.skipped} == set(advised) - {"mrcnn_bbox"}


def test_inference_takes_no_exclude(file):
    """What is left out would answer at random."""
    with pytest.raises(ValueError, match="leaves out mrcnn_mask/kernel.*\n.*without `exclude`"):
        load_weights_by_name(build_small(), file, ["mrcnn_mask"])


def test_exclude_a_nested_layer_and_a_typing_error(file):
    """Leaf names count; an unknown name is a warning with the likely one."""
    report = load_weights_by_name(build_small(), file, ["rpn_class_raw"], mode="training")
    assert [name for name, _, _ in report.skipped] == [
        "rpn_model/rpn_class_raw/kernel", "rpn_model/rpn_class_raw/bias"
    ]
    with pytest.warns(UserWarning, match="no layer 'mrcnn_masc'; did you mean 'mrcnn_mask'"):
        load_weights_by_name(build_small(), file, ["mrcnn_masc"], mode="training")


def test_backbone_names():
    """Recognised by the blocks of stage 4."""
    def layers(blocks, last):
        return [f"res4{chr(97 + i)}_branch2{x}" for i in range(blocks) for x in f"a{last}"]

    assert backbone_name(layers(6, "c")) == "resnet50"
    assert backbone_name(layers(23, "c")) == "resnet101"
    assert backbone_name(layers(6, "b")) == "resnet34"
    assert backbone_name(layers(2, "b")) == "resnet18"
    assert backbone_name(["block1_conv1"]) is None


@pytest.mark.parametrize(("stored", "wanted"), [(23, 6), (6, 23)])
def test_other_resnet(tmp_path, stored, wanted):
    """A 101 file has all that a 50 model asks for, and still would answer wrong."""
    path = tmp_path / "w.h5"
    save_weights(build_small(blocks=stored), path)
    names = {6: "resnet50", 23: "resnet101"}
    text = f'the file holds a {names[stored]}, this model a {names[wanted]} .BACKBONE="'
    with pytest.raises(ValueError, match=text):
        load_weights_by_name(build_small(blocks=wanted), path)
    report = load_weights_by_name(build_small(blocks=wanted), path, mode="training")
    assert report.notes == [
        f"the file holds a {names[stored]}, the model a {names[wanted]}: a part fits"
    ]


def test_training_needs_a_backbone_stage(trained, file, tmp_path):
    """Heads alone are no start; the smallest start is one whole stage."""
    def heads_only(layer, name, array):
        return (name, array) if "mrcnn" in layer else None

    def stage_2(layer, name, array):
        return (name, array) if layer in ("res2a_branch2a", "bn2a_branch2a") else None

    def half_a_stage(layer, name, array):
        return (name, array) if layer == "res2a_branch2a" else None

    for change in (heads_only, half_a_stage):
        with pytest.raises(ValueError, match="and no backbone stage"):
            path = rewrite(file, tmp_path / "part.h5", change)
            load_weights_by_name(build_small(), path, mode="training")
    path = rewrite(file, tmp_path / "stage.h5", stage_2)
    assert len(load_weights_by_name(build_small(), path, mode="training").loaded) == 6


def test_training_with_another_kind_of_backbone(tmp_path):
    """Any weight of its own shows that the file knows it; a ResNet file does not."""
    save_weights(build_small(backbone="net"), tmp_path / "net.h5")
    save_weights(build_small(), tmp_path / "res.h5")
    model = build_small(backbone="net")
    assert load_weights_by_name(model, tmp_path / "net.h5", mode="training").missing == []
    with pytest.raises(ValueError, match="no backbone stage"):
        load_weights_by_name(model, tmp_path / "res.h5", mode="training")


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_other_channel_count(trained, file, channels):
    """In training the first kernel is adapted and keeps its answer to grey; else refused."""
    model = build_small(channels=channels)
    report = load_weights_by_name(model, file, mode="training")
    assert report.notes == [f"conv1/kernel: stored for 3 image channels, adapted to {channels}; "
                            "train it too (FREEZE_AT = 0)"]
    old = trained.get_layer("conv1").get_weights()[0]
    new = model.get_layer("conv1").get_weights()[0]
    np.testing.assert_allclose(new.sum(axis=2), old.sum(axis=2), rtol=1e-6)
    if channels > 3:
        np.testing.assert_allclose(new[:, :, :3], old * (3 / channels), rtol=1e-6)
    with pytest.raises(ValueError, match=f"IMAGE_CHANNEL_COUNT is 3 in the file, {channels}"):
        load_weights_by_name(model, file)


def test_adapt_channels_slowly():
    """Against the definition, entry by entry."""
    kernel = np.random.default_rng(0).normal(size=(2, 2, 3, 2)).astype(np.float32)
    wide = adapt_channels(kernel, 5)
    for y, x, c, n in np.ndindex(wide.shape):
        value = kernel[y, x, c, n] if c < 3 else sum(kernel[y, x, i, n] for i in range(3)) / 3
        np.testing.assert_allclose(wide[y, x, c, n], value * 3 / 5, rtol=1e-5)


def test_by_order(trained, file, tmp_path):
    """Other layer names, same structure: by_name=False loads, by name nothing fits."""
    def renamed(layer, name, array):
        return name.replace(layer, f"x_{layer}"), array

    source = rewrite(file, tmp_path / "same.h5", renamed)
    old = read_legacy_h5(source)
    layers = [(f"x_{n}", [(old.stored_names[k], old[k]) for k in old if k[0] == n])
              for n in old.layers]
    write_legacy_h5(tmp_path / "renamed.h5", layers)
    model = build_small()
    report = load_weights_by_name(model, tmp_path / "renamed.h5", by_name=False)
    assert_same(model, trained)
    assert report.unused == report.missing == []
    holds = r"not in it: conv1/kernel.* instead, by layer: x_conv1, x_bn_conv1, .* 5 more"
    with pytest.raises(ValueError, match=rf"(?s)does not fit.*{holds}.*by_name=False if only"):
        load_weights_by_name(model, tmp_path / "renamed.h5")
    with pytest.raises(ValueError, match="has 10 layers with weights and this model 11"):
        write_legacy_h5(tmp_path / "short.h5", layers[:-1])
        load_weights_by_name(model, tmp_path / "short.h5", by_name=False)
    with pytest.raises(ValueError, match="'x_mrcnn_bbox_fc'.*shapes differ"):
        load_weights_by_name(build_small(classes=5), tmp_path / "renamed.h5", by_name=False)


def test_by_order_sees_names(trained, file, tmp_path):
    """The same layers in another order: names decide, as they are all there."""
    old = read_legacy_h5(file)
    layers = [(n, [(old.stored_names[k], old[k]) for k in old if k[0] == n]) for n in old.layers]
    write_legacy_h5(tmp_path / "shuffled.h5", layers[::-1])
    model = build_small()
    load_weights_by_name(model, tmp_path / "shuffled.h5", by_name=False)
    assert_same(model, trained)


def test_bad_values_and_arguments(file, tmp_path):
    """NaN in the file, a Theano file, a wrong mode, a missing file."""
    def poison(layer, name, array):
        return name, array * np.nan if layer == "fpn_c5p5" else array

    with pytest.raises(ValueError, match="bad.h5: fpn_c5p5/kernel holds NaN"):
        load_weights_by_name(build_small(), rewrite(file, tmp_path / "bad.h5", poison))
    with pytest.raises(ValueError, match="mode: expected .* received 'train'"):
        load_weights_by_name(build_small(), file, mode="train")
    with pytest.raises(FileNotFoundError, match="absent.h5"):
        load_weights_by_name(build_small(), tmp_path / "absent.h5")
    with h5py.File(file, "a") as h5:
        h5.attrs["backend"] = np.bytes_("theano")
    with pytest.raises(ValueError, match="written on the theano backend"):
        load_weights_by_name(build_small(), file)


def test_truncated_file_leaves_the_model(file):
    """Cut in the middle: an error, and nothing moved."""
    model = randomise(build_small(), seed=3)
    before = values_of(model)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match="cut short or damaged"):
        load_weights_by_name(model, file)
    for now, then in zip(values_of(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_quiet_unless_asked(file, capsys):
    """verbose=1 prints the summary."""
    load_weights_by_name(build_small(), file)
    assert capsys.readouterr().out == ""
    load_weights_by_name(build_small(), file, verbose=1)
    assert "w.h5: loaded" in capsys.readouterr().out


@pytest.fixture(scope="module")
def twin(trained, tmp_path_factory):
    """The folder where tf_keras, in its own process, loaded our files and wrote its own."""
    if importlib.util.find_spec("tf_keras") is None:
        pytest.skip("tf_keras is not installed: the old loaders' side cannot be tried")
    folder = tmp_path_factory.mktemp("twin")
    save_weights(trained, folder / "ours.h5")
    model = build_small()
    model.set_weights(trained.get_weights())
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    save_checkpoint(folder / "ours_checkpoint.h5", model, epoch=3, optimizer=optimizer)
    script = Path(__file__).with_name("tf_keras_twin.py")
    run = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return folder


def twin_values(path):
    """{(leaf, weight): array} out of names such as `conv1_1|kernel:0`."""
    stored = np.load(path)
    return {tuple(name.removesuffix(":0").split("|")): stored[name] for name in stored}


@pytest.mark.parametrize("name", ["loaded", "loaded_checkpoint"])
def test_old_keras_loads_our_file(trained, twin, name):
    """tf_keras's own by-name loader: every weight bit-equal."""
    theirs = twin_values(twin / f"{name}.npz")
    ours = {key[1:]: array for key, array in table_values(trained).items()}
    assert theirs.keys() == ours.keys()
    for key, array in ours.items():
        np.testing.assert_array_equal(theirs[key], array)


@pytest.mark.parametrize("name", ["theirs.h5", "theirs_model.h5"])
@pytest.mark.parametrize("by_name", [True, False])
def test_we_load_old_keras_files(twin, name, by_name):
    """Weights and whole models of tf_keras, with a frozen layer that changed their order."""
    theirs = twin_values(twin / "theirs.npz")
    model = build_small()
    report = load_weights_by_name(model, twin / name, by_name=by_name)
    assert report.missing == report.unused == []
    for key, array in table_values(model).items():
        np.testing.assert_array_equal(theirs[key[1:]], array)
