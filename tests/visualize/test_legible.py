"""Figures of `display_instances`: labels inside, apart and measured, at every size and count."""

import gc
import itertools

import matplotlib
import numpy as np
import pytest
from pycocotools import mask as coding
from scenery import NAMES, WatchedMasks, scene

from mrcnn import visualize
from mrcnn.geometry.lazy_masks import PackedMasks

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def extents(fig):
    """Bounding boxes of the labels with their grounds, in pixels of the figure."""
    fig.canvas.draw()
    return [text.get_bbox_patch().get_window_extent() for ax in fig.axes for text in ax.texts]


@pytest.mark.parametrize("size", [(100, 75), (1024, 700), (3000, 100), (100, 3000)])
@pytest.mark.parametrize("figsize", [(16, 16), (3, 3)])
def test_labels_stay_in_the_figure_and_apart(size, figsize):
    image, boxes, masks, class_ids, scores = scene(*size, 30, seed=1)
    fig = visualize.display_instances(image, boxes, masks, class_ids, NAMES, scores,
                                      figsize=figsize)
    width, height = fig.canvas.get_width_height()
    found = extents(fig)
    assert (1 if max(size) == 3000 else 8) <= len(found) <= 30  # a thin strip has little room
    for box in found:
        assert box.x0 >= -1.5 and box.y0 >= -1.5
        assert box.x1 <= width + 1.5 and box.y1 <= height + 1.5
    for one, other in itertools.combinations(found, 2):
        wide = min(one.x1, other.x1) - max(one.x0, other.x0)
        tall = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert wide < 2 or tall < 2, (one, other)  # a rounded edge may touch
    assert sum(box.width * box.height for box in found) < 0.35 * width * height


@pytest.mark.parametrize("box", [[0, 0, 64, 64], [60, 60, 64, 64], [-9, 50, 8, 90]])
def test_the_label_of_one_object_is_never_left_out(box):
    image, masks = np.zeros((64, 64, 3), np.uint8), np.ones((64, 64, 1), bool)
    fig = visualize.display_instances(image, [box], masks, [2], NAMES, [1.0], figsize=(2, 2))
    (extent,) = extents(fig)
    assert extent.x0 >= -1 and extent.y0 >= -1 and extent.x1 <= 201 and extent.y1 <= 201


def test_names_are_letters_never_formulas():
    image, boxes, masks, _, _ = scene(200, 150, 1)
    fig = visualize.display_instances(image, boxes, masks, [1], ["BG", r"a$\nope$b"],
                                      title=r"cost: $5 or $\x$")
    fig.canvas.draw()
    assert fig.axes[0].texts[0].get_text() == r"a$\nope$b"


def test_a_long_title_stays_in_the_figure():
    fig = visualize.display_instances(np.zeros((90, 60, 3), np.uint8), [], None, [], NAMES,
                                      title="a title of many words " * 8, figsize=(4, 4))
    fig.canvas.draw()
    extent, width = fig.axes[0].title.get_window_extent(), fig.canvas.get_width_height()[0]
    assert extent.x0 >= 0 and extent.x1 <= width
    assert fig.axes[0].title.get_text().endswith("…")


def test_a_strip_lies_in_the_middle_of_margins():
    image = np.zeros((100, 3000, 3), np.uint8)
    fig = visualize.display_instances(image, [], None, [], NAMES)
    np.testing.assert_allclose(fig.get_size_inches(), [16, 1.2])
    fig.canvas.draw()
    picture = np.asarray(fig.canvas.buffer_rgba())[..., 0]
    dark = np.flatnonzero(picture[:, 800] == 0)
    assert abs(len(dark) - 53) <= 2 and abs(dark.mean() - 59.5) <= 1
    assert not picture[dark[2], 5:-5].any()


def test_every_form_of_masks_gives_the_same_figure():
    image, boxes, masks, class_ids, _ = scene(90, 60, 4, seed=4)
    codes = coding.encode(np.asfortranarray(masks.astype(np.uint8)))
    pictures = []
    for form in (masks, PackedMasks.of(masks), codes):
        fig = visualize.display_instances(image, boxes, form, class_ids, NAMES, figsize=(4, 4))
        fig.canvas.draw()
        pictures.append(np.asarray(fig.canvas.buffer_rgba()).copy())
    np.testing.assert_array_equal(pictures[1], pictures[0])
    np.testing.assert_array_equal(pictures[2], pictures[0])


def test_each_window_of_lazy_masks_is_made_once():
    image, boxes, masks, class_ids, _ = scene(200, 150, 3, seed=5)
    watched = WatchedMasks(masks)
    visualize.display_instances(image, boxes, watched, class_ids, NAMES, figsize=(3, 3))
    assert len(watched.asked) == 3
    for (tall, wide), box in zip(watched.asked, boxes, strict=True):
        assert tall <= box[2] - box[0] + 2 and wide <= box[3] - box[1] + 2


def test_settings_of_matplotlib_stay_as_they_are():
    image, boxes, masks, class_ids, scores = scene(90, 60, 3)
    before = matplotlib.rcParams.copy()
    fig = visualize.display_instances(image, boxes, masks, class_ids, NAMES, scores)
    fig.canvas.draw()
    visualize.display_images([image, image[..., 0]], ["a", "b"]).canvas.draw()
    assert matplotlib.rcParams == before


def test_figures_are_given_back():
    from matplotlib.figure import Figure

    image, boxes, masks, class_ids, scores = scene(40, 30, 2)
    for _ in range(60):
        visualize.display_instances(image, boxes, masks, class_ids, NAMES, scores, figsize=(1, 1))
    gc.collect()
    assert len(plt.get_fignums()) <= 4
    assert sum(isinstance(one, Figure) for one in gc.get_objects()) <= 8
