"""The command line of the samples: what is refused, in which words, and how early."""

import re
import subprocess
import sys

import made
import pytest
from PIL import Image

from mrcnn.commands.samples import options

SAMPLES = {"shapes": "Shapes", "balloon": "Balloon", "coco": "Coco", "nucleus": "Nucleus",
           "voc": "Voc"}


def sample(name):
    return getattr(made.script(name), SAMPLES[name])()


def refusal(name, arguments, capsys):
    """What a sample prints about arguments that it refuses."""
    with pytest.raises(SystemExit) as caught:
        sample(name).main([str(argument) for argument in arguments])
    assert caught.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with an image, a text, a weights file, a video and an empty folder."""
    tmp_path = tmp_path_factory.mktemp("files")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "letter.jpg").write_text("no image")
    (tmp_path / "w.h5").write_bytes(b"weights")
    made.clip(tmp_path / "a.mp4", frames=2)
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(("arguments", "message"), [
    ([], "expected one command of .*, received none"),
    (["train", "--command", "test"], "received two of them"),
    (["fly"], "invalid choice: 'fly'"),
    (["splash", "--weights={0}/w.h5"], "splash needs --image or --video"),
    (["splash", "--weights={0}/w.h5", "--image={0}/a.png", "--video={0}/a.mp4"], "one of them"),
    (["splash", "--weights={0}/w.h5", "--image={0}/b.png"], "no such file: .*b.png"),
    (["splash", "--weights={0}/w.h5", "--image={0}/letter.jpg"], "not a readable image.*letter"),
    (["splash", "--weights={0}/w.h5", "--video={0}/b.mp4"], "no such file: .*b.mp4"),
    (["splash", "--weights={0}/w.h5", "--video={0}/letter.jpg"], "not a readable video.*letter"),
    (["detect", "--weights={0}/w.h5", "--image={0}/empty"], "empty: no image files"),
    (["detect", "--weights={0}/b.h5", "--image={0}/a.png"], "--weights: no such file: .*b.h5"),
    (["detect", "--weights=last", "--logs={0}/empty", "--image={0}/a.png"],
     "no checkpoint of '.*' in .*empty: no run folder"),
    (["detect", "--weights=imagenet", "--image={0}/a.png"], "needs weights trained for"),
    (["detect", "--model=none", "--image={0}/a.png"], "needs weights trained for"),
    (["detect", "--limit=0", "--image={0}/a.png"], "--limit.*expected a number from 1, received 0"),
    (["detect", "--limit=many", "--image={0}/a.png"], "--limit.*invalid positive value: 'many'"),
])
def test_what_every_sample_refuses(name, arguments, message, files, capsys):
    line = refusal(name, [argument.format(files) for argument in arguments], capsys)
    assert re.search(message, line), line


@pytest.mark.parametrize("name", ["balloon", "coco", "nucleus", "voc"])
@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--weights=none"], "train needs --dataset"),
    (["test", "--weights={0}/w.h5"], "evaluate needs --dataset"),
    (["detect", "--weights={0}/w.h5"], "detect needs --dataset, --image or --video"),
    (["train", "--dataset={0}/gone", "--weights=none"], "--dataset: no such folder: .*gone"),
    (["train", "--dataset={0}"], "train needs --weights"),
    (["train", "--dataset={0}", "--weights=none", "--image={0}/a.png"], "train takes no --image"),
    (["train", "--dataset={0}", "--weights=none", "--subset=all"], "--subset: expected one of"),
])
def test_what_samples_with_files_refuse(name, arguments, message, files, capsys):
    line = refusal(name, [argument.format(files) for argument in arguments], capsys)
    assert re.search(message, line), line


@pytest.mark.parametrize(("name", "arguments", "message"), [
    ("coco", ["train", "--year=2015"], "--year: invalid choice"),
    ("coco", ["--download", "train"], "--download.*expected True, False or an http address"),
    ("voc", ["train", "--year=2006"], "--year: invalid choice"),
    ("balloon", ["train", "--year=2012"], "unrecognized arguments: --year"),
    ("shapes", ["train", "--dataset=x"], "unrecognized arguments: --dataset"),
    ("balloon", ["detect", "--weights=coco", "--image={0}/a.png"], "trained for balloon"),
    ("shapes", ["train", "--preset=papper"], "--preset: preset = 'papper': .*valid: paper"),
    ("voc", ["train", "--dataset={0}", "--weights=none", "--preset="], "--preset: preset = ''"),
])
def test_what_one_sample_refuses(name, arguments, message, files, capsys):
    line = refusal(name, [argument.format(files) for argument in arguments], capsys)
    assert re.search(message, line), line


def options_of(name, *arguments):
    return options.parse(sample(name), list(arguments))


def test_older_names(files):
    for arguments in (["--command=test"], ["test"], ["evaluate"], ["--command", "evaluate"]):
        args = options_of("coco", *arguments, f"--dataset={files}", f"--model={files}/w.h5")
        assert args.command == "evaluate" and args.weights == f"{files}/w.h5"
        assert (args.year, args.limit, args.download) == ("2014", None, None)


@pytest.mark.parametrize(("text", "value"), [
    ([], None), (["--download"], True), (["--download=True"], True), (["--download=False"], False),
    (["--download=http://host/a/"], "http://host/a"),
])
def test_download_takes_what_matterports_does(files, text, value):
    args = options_of("coco", "train", f"--dataset={files}", "--weights=none", *text)
    assert args.download == value


def test_the_dataset_folder_may_be_made_by_a_download(tmp_path):
    folder = f"--dataset={tmp_path}/new"
    args = options_of("voc", "train", folder, "--weights=none", "--download")
    assert args.download is True and args.year == "2012"


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("preset", ["paper", "torchvision"])
def test_every_sample_goes_under_a_school(name, preset, files):
    data = [] if name == "shapes" else [f"--dataset={files}"]
    kind, small = sample(name), ["--small"] if sample(name).small_config else []
    args = options_of(name, "train", *data, "--weights=none", f"--preset={preset}", *small)
    config, own = kind.make_config(args), kind.small_config or kind.config
    assert config.PRESET.endswith(preset) and config.ROI_ALIGN == "roi_align"
    assert (config.FREEZE_AT, config.FREEZE_BN) == (0, False)
    assert config.STAGES == (("all", own.STAGES[-1][1], 1.0),)
    assert (config.NAME, config.NUM_CLASSES) == (own.NAME, own.NUM_CLASSES)
    assert config.OPTIMIZER == own.OPTIMIZER and config.WARMUP_STEPS == own.WARMUP_STEPS
    assert config.LEARNING_RATE == own.LEARNING_RATE  # AdamW's, not the school's
    args = options_of(name, "train", *data, f"--weights={files}/w.h5", f"--preset={preset}", *small)
    config = kind.make_config(args)
    assert (config.FREEZE_AT, config.FREEZE_BN) == (2, True)
    config.validate()


def test_a_schools_rate_goes_with_the_steps_of_a_sample(files):
    args = options_of("balloon", "train", f"--dataset={files}", f"--weights={files}/w.h5",
                      "--preset=paper", "--epochs=20")
    config = sample("balloon").make_config(args)
    assert config.LEARNING_RATE == 0.0025 and config.OPTIMIZER == "sgd"
    assert config.WARMUP_STEPS == 200 and config.STAGES == (("all", 20, 1.0),)


def test_a_default_for_the_shapes_and_coco_weights_for_coco(files):
    assert options_of("shapes", "train").weights == "none"
    args = options_of("coco", "detect", "--weights=coco", f"--image={files}/a.png")
    assert args.weights == "coco"
    assert options_of("shapes", "train", "--count=7").limit == 7


@pytest.mark.parametrize("name", SAMPLES)
def test_help_is_quick_and_loads_no_tensorflow(name):
    path = made.ROOT / "samples" / name / f"{name}.py"
    code = (f"import runpy, sys; sys.argv = ['x', '--help']\n"
            f"try: runpy.run_path({str(path)!r}, run_name='__main__')\n"
            f"except SystemExit: pass\n"
            f"print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], cwd=made.ROOT, capture_output=True,
                          text=True, timeout=60, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert f"python samples/{name}/{name}.py train" in done.stdout
