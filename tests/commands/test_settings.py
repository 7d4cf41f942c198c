"""Configurations out of YAML, Python and KEY=VALUE, and the files that a run keeps."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mrcnn.commands.settings import load_config, read_settings
from mrcnn.commands.training.options import TrainConfig
from mrcnn.commands.training.run_files import (
    add_to_history,
    note_resumption,
    read_history,
    read_run,
    save_run_files,
)
from mrcnn.config import Config

CLASSES = """
import helper_of_settings
from mrcnn.config import Config

class Base(Config):
    NAME = helper_of_settings.NAME
    NUM_CLASSES = 3

class Fruit(Base):
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 256
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "two_classes.py").write_text(CLASSES)
    (tmp_path / "helper_of_settings.py").write_text('NAME = "fruit"\n')
    (tmp_path / "one_class.py").write_text(
        "from mrcnn.config import Config\nclass Only(Config):\n    NUM_CLASSES = 7\n")
    return tmp_path


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


# --- values ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "knob", "expected"), [
    ("IMAGE_MAX_DIM=512", "IMAGE_MAX_DIM", 512),
    (" LEARNING_RATE = 1e-3", "LEARNING_RATE", 0.001),
    ("LEARNING_RATE=5E-4", "LEARNING_RATE", 0.0005),
    ("SEED=None", "SEED", None),
    ("SEED=null", "SEED", None),
    ("USE_MINI_MASK=false", "USE_MINI_MASK", False),
    ("BACKBONE=resnet50", "BACKBONE", "resnet50"),
    ("RPN_ANCHOR_SCALES=[8, 16, 32, 64, 128]", "RPN_ANCHOR_SCALES", (8, 16, 32, 64, 128)),
    ("RPN_ANCHOR_SCALES=(8, 16, 32, 64, 128)", "RPN_ANCHOR_SCALES", (8, 16, 32, 64, 128)),
    ("RPN_ANCHOR_RATIOS=[0.5, 1, 3]", "RPN_ANCHOR_RATIOS", [0.5, 1, 3]),
    ("LOSS_WEIGHTS={rpn_class_loss: 2}", "LOSS_WEIGHTS", {"rpn_class_loss": 2}),
    ("IMAGE_CACHE_DIR=a=b", "IMAGE_CACHE_DIR", "a=b"),
])
def test_one_value(text, knob, expected):
    value = getattr(load_config(assignments=[text]), knob)
    assert value == expected and type(value) is type(expected)


def test_an_array_stays_an_array():
    value = load_config(assignments=["MEAN_PIXEL=[1, 2, 3.5]"]).MEAN_PIXEL
    assert isinstance(value, np.ndarray)
    np.testing.assert_array_equal(value, [1, 2, 3.5])


@pytest.mark.parametrize(("text", "match"), [
    ("NUM_CLASES=3", "--set NUM_CLASES=3: no knob is called 'NUM_CLASES'; did you mean NUM_CLASS"),
    ("XYZZY=3", "no knob is called 'XYZZY'$"),
    ("IMAGE_MAX_DIM=500", "--set IMAGE_MAX_DIM=500: IMAGE_MAX_DIM = 500: .*nearest valid: 512"),
    ("IMAGE_MAX_DIM=abc", "--set IMAGE_MAX_DIM=abc: .* must be a whole number"),
    ("IMAGE_MAX_DIM", "expected KEY=VALUE"),
    ("=3", "expected KEY=VALUE"),
    ("RPN_ANCHOR_SCALES=[1, 2", "--set RPN_ANCHOR_SCALES=.*line 1: expected"),
    ("RPN_ANCHOR_SCALES=[1, 2]", "one scale per entry"),
])
def test_a_wrong_value_is_named(text, match):
    with pytest.raises(ValueError, match=match):
        load_config(assignments=[text])


# --- YAML -----------------------------------------------------------------------------------

def test_a_yaml_file(tmp_path):
    path = write(tmp_path / "a.yaml", "# mine\nNUM_CLASSES: 3\nLEARNING_RATE: 1e-3\n"
                                      "RPN_ANCHOR_SCALES: (8, 16, 32, 64, 128)\n")
    config = load_config(path)
    assert (config.NUM_CLASSES, config.LEARNING_RATE) == (3, 0.001)
    assert config.RPN_ANCHOR_SCALES == (8, 16, 32, 64, 128)
    assert load_config(write(tmp_path / "empty.yaml", "# nothing\n")).to_dict() \
        == Config().to_dict()


@pytest.mark.parametrize(("text", "match"), [
    ("NAME: a\nNUM_CLASES: 3\n", "line 2: no knob is called 'NUM_CLASES'; did you mean NUM_"),
    ("NAME: a\n\nIMAGE_MAX_DIM: 500\n", "line 3: IMAGE_MAX_DIM = 500"),
    ("NUM_CLASSES: two\n", "line 1: NUM_CLASSES = 'two': must be a whole number"),
    ("NAME: a\nNAME: b\n", "line 2: NAME is there already, in .*line 1"),
    ("- NAME\n- b\n", "expected lines of KNOB: value, received a sequence"),
    ("NAME: [a\nb: c\n", r"a\.yaml: line 2: "),
    ("NAME: !!python/object:os.system x\n", "could not determine a constructor"),
    ("1: 2\n", "line 1: no knob is called '1'"),
])
def test_a_wrong_yaml_file_names_the_line(tmp_path, text, match):
    with pytest.raises(ValueError, match=match):
        load_config(write(tmp_path / "a.yaml", text))


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match="a.yaml: not a text file"):
        load_config(str(tmp_path / "a.yaml"))


# --- Python ---------------------------------------------------------------------------------

def test_classes(folder, monkeypatch):
    config = load_config(f"{folder}/two_classes.py:Fruit")
    assert (config.NAME, config.NUM_CLASSES, config.IMAGE_MAX_DIM) == ("fruit", 3, 256)
    assert load_config(f"{folder}/one_class.py").NUM_CLASSES == 7
    monkeypatch.chdir(folder)
    assert load_config("one_class:Only").NUM_CLASSES == 7


@pytest.mark.parametrize(("source", "error", "match"), [
    ("two_classes.py", ValueError, r"expected one Config class, received Base, Fruit; name one"),
    ("two_classes.py:Plum", ValueError, "Plum is not in it; its Config classes: Base, Fruit"),
    ("two_classes.py:helper_of_settings", ValueError, "helper_of_settings is no Config"),
    ("none.py", FileNotFoundError, "no such file"),
    ("none.yaml", FileNotFoundError, "no such file"),
    ("no_such_module:Class", ValueError, "ModuleNotFoundError"),
    ("just a word", ValueError, "expected a YAML file, file.py:Class or module:Class"),
    ("broken.py", ValueError, "broken.py: SyntaxError"),
    ("impossible.py", ValueError, "NUM_CLASSES = 0: must be"),
])
def test_a_wrong_source(folder, monkeypatch, source, error, match):
    monkeypatch.chdir(folder)
    write(folder / "broken.py", "class X(:\n")
    write(folder / "impossible.py",
          "from mrcnn.config import Config\nclass A(Config):\n    NUM_CLASSES = 0\n")
    with pytest.raises(error, match=match):
        load_config(source)


# --- what wins ------------------------------------------------------------------------------

def test_precedence(folder, tmp_path):
    defaults = {"NUM_CLASSES": 9, "NAME": "data", "IMAGES_PER_GPU": 5}
    yaml_file = write(tmp_path / "a.yaml", "NUM_CLASSES: 3\nSEED: 1\n")
    config = load_config(yaml_file, ["SEED=2"], defaults=defaults)
    assert (config.NUM_CLASSES, config.NAME, config.SEED, config.IMAGES_PER_GPU) \
        == (3, "data", 2, 5)
    config = load_config(f"{folder}/two_classes.py:Fruit", ["NUM_CLASSES=4"], defaults=defaults)
    assert (config.NUM_CLASSES, config.NAME, config.IMAGES_PER_GPU) == (4, "fruit", 5)


def test_keys_of_the_base_are_known(folder):
    text = "STAGES=[[heads, 2, 1.0], [all, 5, 0.1]]"
    assert load_config(assignments=[text], base=TrainConfig).STAGES[1] == ["all", 5, 0.1]
    config = load_config(f"{folder}/one_class.py", [text], base=TrainConfig)
    assert config.NUM_CLASSES == 7 and config.STAGES[0][0] == "heads"
    with pytest.raises(ValueError, match="no knob is called 'STAGES'"):
        load_config(assignments=[text])


def test_a_relation_names_where_its_knob_was_said(tmp_path):
    path = write(tmp_path / "a.yaml", "IMAGE_MIN_DIM: 500\nIMAGE_RESIZE_MODE: pad64\n")
    with pytest.raises(ValueError, match=r"a.yaml, line 1: IMAGE_MIN_DIM = 500: must be a mult"):
        load_config(path)


def test_said_lists_what_was_set(folder):
    said = read_settings(f"{folder}/two_classes.py:Fruit", ["SEED=3"]).said()
    assert said == {"NAME": "fruit", "NUM_CLASSES": 3, "IMAGE_MIN_DIM": 256, "IMAGE_MAX_DIM": 256,
                    "SEED": 3}


# --- the files of a run ---------------------------------------------------------------------

class Odd(TrainConfig):
    """Values of every kind, none the default."""

    NAME = "ödd"
    NUM_CLASSES = 3
    MEAN_PIXEL = np.array([1.5, 2.0, 1e-7])
    RPN_ANCHOR_SCALES = (3, 5, 7, 11, 13)
    RPN_ANCHOR_RATIOS = [0.3, 1]
    LEARNING_RATE = 1e-5
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    LOSS_WEIGHTS = {"mrcnn_mask_loss": 2.5}
    TRAIN_BN = None
    BATCH_SIZE = 3
    STAGES = [["heads", 2, 1.0], ["all", 4, 0.1]]


def test_the_configuration_of_a_run_reads_back(tmp_path):
    config = Odd()
    save_run_files(tmp_path, config, {"path": "x"}, ["mrcnn", "train", "x"])
    back = load_config(str(tmp_path / "config.yaml"), base=TrainConfig)
    assert back.to_dict() == config.to_dict()
    for knob in ("MEAN_PIXEL", "RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "BATCH_SIZE"):
        assert type(getattr(back, knob)) is type(getattr(config, knob)), knob
    # derived values that nobody assigned follow the knobs: they must not be in the file
    stored = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert "IMAGE_SHAPE" not in stored and stored["BATCH_SIZE"] == 3
    assert load_config(str(tmp_path / "config.yaml"), ["IMAGE_MAX_DIM=256"],
                       base=TrainConfig).IMAGE_SHAPE[0] == 256


def test_a_backbone_that_was_code_has_to_be_given_back(tmp_path):
    class Coded(Config):
        BACKBONE = staticmethod(lambda tensor: [tensor])

    save_run_files(tmp_path, Coded(), {}, ["mrcnn"])
    back = load_config(str(tmp_path / "config.yaml"))
    with pytest.raises(ValueError, match="BACKBONE was the callable .*give it back"):
        back.BACKBONE(None)


def test_run_json(tmp_path):
    config = Config()
    config.SEED = 17
    save_run_files(tmp_path, config, {"path": "dätä"}, ["mrcnn", "train", "dätä"], more=1)
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert run["seed"] == 17 and run["data"] == {"path": "dätä"} and run["more"] == 1
    assert run["versions"]["numpy"] == np.__version__
    assert run["command"] == ["mrcnn", "train", "dätä"]
    note_resumption(tmp_path, ["mrcnn", "train", "--resume"], 4)
    run = read_run(tmp_path)
    assert run["resumed"][0]["epoch"] == 4 and run["seed"] == 17
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "run.json"]


def test_a_folder_without_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="`mrcnn train` did not begin this run"):
        read_run(tmp_path)
    save_run_files(tmp_path, Config(), {}, ["mrcnn"])
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match="run.json: cannot be read"):
        read_run(tmp_path)


def test_history(tmp_path):
    assert read_history(tmp_path) == []
    for epoch in (1, 2, 3):
        add_to_history(tmp_path, {"epoch": epoch, "loss": 1 / epoch})
    add_to_history(tmp_path, {"epoch": 2, "loss": 9.0, "val_mAP": 0.5})  # gone on from epoch 1
    assert read_history(tmp_path) == [{"epoch": "1", "loss": "1.0", "val_mAP": ""},
                                      {"epoch": "2", "loss": "9.0", "val_mAP": "0.5"}]


def test_no_tensorflow():
    code = ("import sys; from mrcnn.commands import settings, opening, info; "
            "import mrcnn.commands.training.plan; "
            "settings.load_config(assignments=['SEED=3']); "
            "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))")
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    assert done.returncode == 0
