"""In a notebook: every figure once, whoever made it."""

from pathlib import Path

import pytest

pytest.importorskip("ipykernel")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

START = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2])!r}]
import matplotlib.pyplot as plt
from scenery import NAMES, scene
from mrcnn import visualize
found = scene(60, 40, 2)
def draw(**options):
    image, boxes, masks, class_ids, scores = found
    return visualize.display_instances(image, boxes, masks, class_ids, NAMES, scores,
                                       figsize=(1, 1), **options)
"""
CELLS = [
    ("draw()", 1),
    ("fig = draw()", 1),
    ("fig", 1),  # asked for again, in another cell
    ("fig = draw()\nfig", 1),
    ("draw(); draw()", 2),
    ("draw(ax=plt.subplots()[1])", 1),  # the usual call in Matterport's notebooks
    ("_, axes = plt.subplots(1, 2)\ndraw(ax=axes[0])\ndraw(ax=axes[1])", 1),
    ("draw(ax=plt.subplots()[1])\nplt.show()", 1),
    ("print(plt.get_fignums())", 0),
]


def test_a_figure_appears_once():
    cells = [nbformat.v4.new_code_cell(text) for text in (START, *(text for text, _ in CELLS),
             "visualize.display_table([['a', 'b'], [1, 2]])")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    pictures = [sum("image/png" in output.get("data", {}) for output in cell.outputs)
                for cell in cells[1:-1]]
    assert pictures == [count for _, count in CELLS]
    assert cells[-2].outputs[0].text == "[]\n"  # nothing stays open
    (table,) = cells[-1].outputs
    assert "<td>a</td>" in table.data["text/html"]
