"""Scripts as people hold them for Matterport, each in a process of its own, start to end."""

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
TIME_LIMIT = 400  # seconds; a script takes well under one minute on two free cores
ANCHORS_128 = 3 * (32 * 32 + 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2)


def facts_of(script, folder, *arguments):
    """Run a script in `folder`; the facts of its last line, "DONE {json}"."""
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    paths = [str(ROOT), environment.get("PYTHONPATH")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": TIME_LIMIT}
    done = subprocess.run(command, cwd=folder, env=environment, check=False, **options)
    assert done.returncode == 0, f"{script} failed:\n{done.stdout[-1500:]}\n{done.stderr[-4000:]}"
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("DONE "), f"{script} ended with {last!r}"
    return json.loads(last.removeprefix("DONE "))


@pytest.fixture
def imgaug_installed():
    """Skip where imgaug is missing, or this package is not installed (its import hook is not)."""
    if importlib.util.find_spec("imgaug") is None:
        pytest.skip("imgaug is not installed")
    try:
        importlib.metadata.distribution("mrcnn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("mrcnn is not installed: `import imgaug` before `import mrcnn` needs its hook")


def test_shapes_style(tmp_path):
    facts = facts_of("shapes_style.py", tmp_path, tmp_path)
    assert facts["epoch_file"] == "mask_rcnn_shapes_0002.h5"
    assert facts["anchors"] == facts["model_anchors"] == ANCHORS_128
    assert (facts["feed_inputs"], facts["feed_outputs"], facts["index_inputs"]) == (9, 3, 7)
    np.testing.assert_array_equal(facts["feed_rois"], [2, 32, 4])
    np.testing.assert_array_equal(facts["rpn_match"], [2, ANCHORS_128, 1])
    np.testing.assert_array_equal(facts["proposals"], [1, 1000, 4])
    np.testing.assert_array_equal(facts["detections"], [1, 100, 6])
    np.testing.assert_array_equal(facts["masks"], [128, 128, facts["instances"]])
    assert facts["predicted_outputs"] == 7
    assert facts["same_boxes"] is True
    assert 0.0 <= facts["mAP"] <= 1.0


def test_balloon_style(tmp_path, balloon_dir):
    facts = facts_of("balloon_style.py", tmp_path, "--dataset", balloon_dir, "--logs", tmp_path)
    assert facts["donor_file"] == "mask_rcnn_donor_0001.h5"
    assert facts["epoch_file"] == "mask_rcnn_balloon_0002.h5"
    np.testing.assert_array_equal(facts["masks"], [*facts["image"][:2], facts["instances"]])
    assert facts["mask_dtype"] == "bool"
    np.testing.assert_array_equal(facts["splash"], facts["image"])
    assert facts["splash_written"] is True


def test_coco_style(tmp_path, coco_dir, imgaug_installed):
    facts = facts_of("coco_style.py", tmp_path, "--dataset", coco_dir, "--logs", tmp_path)
    assert facts["epoch_file"] == "mask_rcnn_coco_0003.h5"
    assert (facts["classes"], facts["last_source_id"]) == (81, 90)
    assert (facts["train_images"], facts["crowds"]) == (80, 6)
    assert facts["results"] <= 4 * 20
    assert facts["stats"] == (12 if facts["results"] else None)


def test_nucleus_style(tmp_path, imgaug_installed):
    facts = facts_of("nucleus_style.py", tmp_path, tmp_path)
    assert facts["epoch_file"] == "mask_rcnn_nucleus_0002.h5"
    np.testing.assert_array_equal(facts["expanded"][:2], [128, 128])
    np.testing.assert_array_equal(facts["resized"], [320, 256, 3])  # 150 x 110 twice, then to 64s
    assert facts["meta"] == 12 + 2
    cells = sum((320 // stride) * (256 // stride) for stride in (4, 8, 16, 32, 64))
    np.testing.assert_array_equal(facts["rpn_class"], [1, 3 * cells, 2])
    assert facts["pre_nms_anchors"] in (None, [1, 6000, 4])
    np.testing.assert_array_equal(facts["proposals"], [1, 200, 4])
    assert facts["rle_round_trip"] is True
    assert facts["csv_lines"] >= 1 + 2
    assert len(facts["picture"]) == 3


def test_inspect_style(tmp_path):
    facts = facts_of("inspect_style.py", tmp_path, tmp_path)
    np.testing.assert_array_equal(facts["resized"], [128, 128, 3, 128, 128])
    assert (facts["mini_mask"], facts["expanded"], facts["crop"]) == (
        [28, 28], [128, 128], [64, 64, 3])
    assert {"image_id", "window", "scale", "active_class_ids"} <= set(facts["meta"])
    np.testing.assert_array_equal(facts["anchors"], ANCHORS_128)
    assert 0 < facts["positive_rois"] <= 10  # a third of 32
    assert facts["targets_meet_truth"] is True
    np.testing.assert_array_equal(facts["pre_nms"], [1, ANCHORS_128, 4])
    assert facts["same_proposals"] is True
    assert facts["norm_round_trip"] is True
    assert len(set(facts["detections"])) == 1 <= facts["detections"][0]
    assert facts["same_masks"] is True
    assert facts["input_round_trip"] is True
    np.testing.assert_array_equal(facts["res4w_out"], [1, 8, 8, 256])
    np.testing.assert_array_equal(facts["molded_proposals"], [1, 1000, 4])
    assert 0.0 <= facts["ap_range"] <= 1.0
    assert facts["nucleus"] == "pad64"
    assert facts["convolutions"] > 104
