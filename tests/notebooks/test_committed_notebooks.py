"""The notebooks as people read them on the web: with outputs, small, clean, from one run."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = ["train_shapes", "demo", "inspect_data", "inspect_model", "inspect_weights"]
MOST_BYTES, MOST_BYTES_OF_ALL = 600_000, 2_000_000
PATHS = re.compile(r"/(home|root|work|tmp|usr|Users|mnt|opt)/|[A-Z]:\\\\|file://")


def read(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(notebook):
    return [out for cell in code_cells(notebook) for out in cell["outputs"]]


def pictures(notebook):
    found = [out.get("data", {}).get("image/png") for out in outputs(notebook)]
    return [Image.open(io.BytesIO(base64.b64decode("".join(data)))) for data in found if data]


def test_no_notebook_is_forgotten():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)
    sizes = [path.stat().st_size for path in FOLDER.glob("*.ipynb")]
    assert max(sizes) < MOST_BYTES and sum(sizes) < MOST_BYTES_OF_ALL


@pytest.mark.parametrize("name", NAMES)
def test_it_was_run_from_top_to_bottom(name):
    counts = [cell["execution_count"] for cell in code_cells(read(name))]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_hold_no_error_no_warning_and_no_path_of_a_machine(name):
    for out in outputs(read(name)):
        assert out["output_type"] != "error"
        assert out.get("name") != "stderr", "".join(out["text"])
        data = {k: v for k, v in out.get("data", {}).items() if not k.startswith("image/")}
        text = json.dumps([out.get("text", ""), data])
        assert not PATHS.search(text), text
        assert "\\u001b" not in text and "\\r" not in text and "\\b" not in text


@pytest.mark.parametrize("name", NAMES)
def test_it_has_pictures_of_a_size_to_read(name):
    found = pictures(read(name))
    assert len(found) >= (2 if name == "demo" else 4)
    for picture in found:
        assert 200 <= picture.width <= 1300, picture.size
        assert np.asarray(picture.convert("L")).std() > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_is_told_what_each_part_is(name):
    notebook = read(name)
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert "".join(notebook["cells"][0]["source"]).startswith("# ")
    words = sum(len("".join(cell["source"]).split()) for cell in notebook["cells"]
                if cell["cell_type"] == "markdown")
    assert words >= 100


@pytest.mark.parametrize("name", NAMES)
def test_links_to_other_notebooks_lead_somewhere(name):
    text = "".join("".join(cell["source"]) for cell in read(name)["cells"])
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (FOLDER / target).is_file(), target


@pytest.mark.parametrize("name", NAMES)
def test_it_says_how_to_start_the_kernel_and_nothing_about_this_machine(name):
    assert read(name)["metadata"]["kernelspec"]["name"] == "python3"
    assert set(read(name)["metadata"]) <= {"kernelspec", "language_info"}


def test_the_model_of_shapes_finds_most_of_them():
    """The pictures are worth looking at only if the model was trained in full."""
    text = "".join("".join(out.get("text", "")) for out in outputs(read("train_shapes")))
    found = re.search(r"AP50\D+([01]\.\d+)", text)
    assert found and float(found.group(1)) > 0.7, text
