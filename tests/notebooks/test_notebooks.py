"""Every notebook from top to bottom, with a few steps of training: `make test-notebooks`.

After its last cell each notebook gets one more, which checks what the cells before it found.
"""

import base64
import importlib.util
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
STEPS = {"MRCNN_NOTEBOOK_STEPS": "8"}

CHECKS = {
    "train_shapes": """
        assert len(history.history["loss"]) == 1 and history.history["loss"][0] > 0
        assert all(np.isfinite(v) for values in history.history.values() for v in values)
        assert os.path.isfile(checkpoint) and detector.class_names == train_set.class_names
        assert len(results) == len(images) == 50 and images[0].shape == (128, 128, 3)
        assert 0 <= evaluation.segm["AP"] <= evaluation.segm["AP50"] <= 1""",
    "demo": """
        assert len(results) == len(some) == len(images) == 12
        assert result["masks"].shape == (128, 128, len(result["class_ids"]))
        assert {c for r in some for c in r["class_ids"]} <= {model.class_names.index(wanted)}
        assert len(splashed) == 4 and splashed[0].shape == images[0].shape""",
    "inspect_data": """
        assert len(anchors) == sum(per_level) == len(match)
        assert np.sum(match == 1) and np.sum(match != 0) <= config.RPN_TRAIN_ANCHORS_PER_IMAGE
        assert overlap.min() > 0.75
        truth = utils.trim_zeros(gt_boxes[b])
        goals = utils.apply_box_deltas(
            positive, rpn_bbox[b, : len(positive)] * config.RPN_BBOX_STD_DEV)
        assert utils.compute_overlaps(goals, truth).max(axis=1).min() > 0.95
        assert utils.compute_overlaps(moved[ids > 0], truth).max(axis=1).min() > 0.95
        assert 0 < np.mean(share) <= config.ROI_POSITIVE_RATIO""",
    "inspect_model": """
        assert proposals_equal and detections_equal and masks_equal
        assert len(kept) > 0 and np.array_equal(by_hand[kept], rpn["proposals"][0, : len(kept)])
        assert np.array_equal(by_hand, rpn["refined_anchors_clipped"][0])
        assert positive.shape[1] == 4 and len(positive) > 0
        assert mrcnn["roi_align"].shape[:4] == (1, len(proposals), 7, 7)
        assert roi_masks.shape[1:] == (28, 28) and len(rois) == 24
        assert activations["input_image"].shape == (1, 128, 128, 3)
        assert activations["fpn_p2"].shape[1:3] == (32, 32)""",
    "inspect_weights": """
        assert sum(parts.values()) == model.keras_model.count_params()
        assert len(moved) > 30 and all(np.isfinite(share) for _, share in moved)
        assert max(share for _, share in moved) > 0  # it was trained, if for a few steps only""",
}
PICTURES = {"train_shapes": 4, "demo": 2, "inspect_data": 10, "inspect_model": 10,
            "inspect_weights": 4}


@pytest.fixture(scope="module")
def execute():
    spec = importlib.util.spec_from_file_location("execute", NOTEBOOKS / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder_with_model(execute, tmp_path_factory):
    """A folder in which train_shapes has run, and that notebook with its outputs."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, execute.executed(checked("train_shapes"), folder, STEPS)


def checked(name):
    """A notebook with its check behind the last cell."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    lines = [line.strip() for line in CHECKS[name].strip().splitlines()]
    lines = ["import numpy as np", *lines, "print('CHECKED')"]
    source = "\n".join(lines)
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    return notebook


def outputs(notebook):
    return [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]


def text_of(notebook):
    """All that was printed, and all tables."""
    return "".join(out.get("text", "") + out.get("data", {}).get("text/html", "")
                   for out in outputs(notebook))


def assert_good(notebook, name):
    """Checked to its end, without warnings on the way, and with its pictures."""
    assert outputs(notebook)[-1].text.strip() == "CHECKED"
    complaints = [out.text for out in outputs(notebook)
                  if out.output_type == "stream" and out.name == "stderr"]
    assert not complaints, "\n".join(complaints)
    pictures = [out.data["image/png"] for out in outputs(notebook) if "image/png" in
                out.get("data", {})]
    assert len(pictures) >= PICTURES[name]
    for data in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))
        assert pixels.std() > 1, "an empty picture"


def test_train_shapes(folder_with_model):
    assert_good(folder_with_model[1], "train_shapes")


def test_demo_without_a_model_trains_one(execute, tmp_path):
    done = execute.executed(checked("demo"), tmp_path, STEPS)
    assert "no model below logs: training one, 8 steps" in text_of(done)
    assert_good(done, "demo")


@pytest.mark.parametrize("name", ["inspect_data", "inspect_model", "inspect_weights"])
def test_inspection(execute, folder_with_model, name):
    done = execute.executed(checked(name), folder_with_model[0], STEPS)
    assert "training one" not in text_of(done)
    assert_good(done, name)


def with_other_data(path):
    """inspect_data with the lines that stand there as a comment, and with another path."""
    notebook = checked("inspect_data")
    cell = next(c for c in notebook.cells if c.cell_type == "code" and "# Balloons" in c.source)
    lines = cell.source.split("# Balloons")[1].split("\n\n")[0].splitlines()[1:]
    source = "\n".join(line.removeprefix("# ") for line in lines)
    assert "load_dataset(\"balloon\", subset=\"train\"," in source
    cell.source = source.replace("\"balloon\", subset", f"{str(path)!r}, subset")
    return notebook


def test_inspect_data_on_balloons_by_one_cell(execute, balloon_dir, tmp_path):
    done = execute.executed(with_other_data(balloon_dir), tmp_path, STEPS)
    assert_good(done, "inspect_data")
    assert "<td>balloon</td><td>255</td>" in text_of(done)


def test_data_that_is_missing_is_named(execute, tmp_path):
    with pytest.raises(Exception, match="nowhere"):
        execute.executed(with_other_data("nowhere"), tmp_path, STEPS)
