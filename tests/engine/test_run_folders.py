"""Names of runs and checkpoints."""

import datetime
from pathlib import Path

import pytest

from mrcnn.engine import run_folders

MINUTE = datetime.datetime(2024, 3, 9, 17, 5)


def run(parent, name, *epochs, prefix="shapes"):
    """A run folder with a checkpoint for each epoch."""
    folder = Path(parent, name)
    folder.mkdir()
    for epoch in epochs:
        (folder / f"mask_rcnn_{prefix}_{epoch:04d}.h5").touch()
    return folder


def test_folder_and_checkpoint_have_matterports_names(tmp_path):
    folder = run_folders.new_run_folder(tmp_path, "Shapes", MINUTE)
    assert folder == str(tmp_path / "shapes20240309T1705")
    assert not Path(folder).exists(), "it is made when training starts"
    pattern = run_folders.checkpoint_pattern(folder, "Shapes")
    assert pattern.format(epoch=7) == f"{folder}/mask_rcnn_shapes_0007.h5"


def test_runs_of_one_minute_get_folders_of_their_own(tmp_path):
    names = []
    for _ in range(3):
        folder = run_folders.new_run_folder(tmp_path, "shapes", MINUTE)
        Path(folder).mkdir()
        names.append(Path(folder).name)
    assert names == ["shapes20240309T1705", "shapes20240309T1705_2", "shapes20240309T1705_3"]


@pytest.mark.parametrize(("path", "name", "epoch"), [
    ("logs/shapes20240309T1705/mask_rcnn_shapes_0012.h5", "Shapes", 12),
    ("logs/shapes20240309T1705_2/mask_rcnn_shapes_0001.h5", "shapes", 1),
    ("logs/shapes20240309T1705/mask_rcnn_shapes_12345.h5", "shapes", 12345),
    ("logs/a_b20240309T1705/mask_rcnn_a_b_0003.h5", "a_b", 3),
])
def test_epoch_of_a_checkpoint(path, name, epoch):
    assert run_folders.run_of_checkpoint(path, name) == (Path(path).parent.name, epoch)


@pytest.mark.parametrize("path", [
    "mask_rcnn_coco.h5",
    "weights/mask_rcnn_balloon.h5",
    "weights/mask_rcnn_shapes_0012.h5",  # copied out of its run: a new run begins
    "logs/shapes20240309T1705/other_0012.h5",
    "logs/shapes20240309T1705/mask_rcnn_shapes_0012.h5.part",
    "logs/coco20240309T1705/mask_rcnn_coco_0012.h5",  # a run of another name
    "logs/shapes_big20240309T1705/mask_rcnn_shapes_big_0012.h5",
])
def test_other_files_belong_to_no_run_of_this_name(path):
    assert run_folders.run_of_checkpoint(path, "shapes") is None


def test_last_epoch_of_the_newest_run(tmp_path):
    run(tmp_path, "shapes20240309T1705", 50)
    newest = run(tmp_path, "shapes20240310T0900", 1, 2, 10)
    run(tmp_path, "shapes20231231T2359", 99)
    assert run_folders.find_last_checkpoint(tmp_path, "Shapes") == str(
        newest / "mask_rcnn_shapes_0010.h5")


def test_empty_runs_are_skipped(tmp_path):
    older = run(tmp_path, "shapes20240309T1705", 3)
    run(tmp_path, "shapes20240310T0900")
    (run(tmp_path, "shapes20240311T0900") / "events.out.tfevents").touch()
    assert run_folders.find_last_checkpoint(tmp_path, "shapes") == str(
        older / "mask_rcnn_shapes_0003.h5")


def test_a_similar_name_is_another_run(tmp_path):
    mine = run(tmp_path, "shapes20240309T1705", 3)
    run(tmp_path, "shapes_big20250101T0000", 9, prefix="shapes_big")
    run(tmp_path, "myshapes20250101T0000", 9, prefix="myshapes")
    (tmp_path / "shapes20250101T0000.zip").touch()
    assert run_folders.find_last_checkpoint(tmp_path, "shapes").startswith(str(mine))


def test_collision_numbers_count_as_numbers(tmp_path):
    for number in ("", "_2", "_9", "_10"):
        last = run(tmp_path, f"shapes20240309T1705{number}", 1)
    assert run_folders.find_last_checkpoint(tmp_path, "shapes").startswith(str(last))


def test_epochs_beyond_four_digits(tmp_path):
    run(tmp_path, "shapes20240309T1705", 9999, 10000)
    assert run_folders.find_last_checkpoint(tmp_path, "shapes").endswith("_10000.h5")


def test_a_name_with_signs_of_regular_expressions(tmp_path):
    run(tmp_path, "a+b20240309T1705", 1, prefix="a+b")
    assert run_folders.find_last_checkpoint(tmp_path, "A+B").endswith("a+b_0001.h5")


@pytest.mark.parametrize(("folders", "message"), [
    ((), "'shapes'.*no run folder"),
    (("shapes20240309T1705", "shapes20240310T1705"), r"2 run folder\(s\), none with a checkpoint"),
])
def test_nothing_found_says_what_is_there(tmp_path, folders, message):
    for name in folders:
        run(tmp_path, name)
    with pytest.raises(FileNotFoundError, match=message):
        run_folders.find_last_checkpoint(tmp_path, "shapes")


def test_no_such_parent_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run folder"):
        run_folders.find_last_checkpoint(tmp_path / "none", "shapes")
