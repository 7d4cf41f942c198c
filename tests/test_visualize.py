"""Every drawing function: what it paints, what it refuses, and that it never needs a screen."""

import io
import random
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from mrcnn import visualize
from mrcnn.visualize import figure, painting
from mrcnn.visualize.instances import instance_captions

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

NAMES = ["BG", "circle", "square", "triangle"]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def instances(count, size=64, seed=0):
    """Image, boxes, masks and class ids: filled rectangles, masks equal to their boxes."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, size - 20, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(5, 20, (count, 2))], axis=1)
    masks = np.zeros((size, size, count), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    image = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
    return image, boxes, masks, rng.integers(1, 4, count)


def rendered(fig):
    fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba())[..., :3].astype(int)


def texts(fig):
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def test_import_loads_neither_matplotlib_nor_tensorflow():
    code = "import sys, mrcnn.visualize; print([m for m in %r if m in sys.modules])"
    names = ["matplotlib", "tensorflow", "keras"]
    done = subprocess.run([sys.executable, "-c", code % names], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_random_colors_are_distinct_repeatable_and_leave_random_alone():
    random.seed(3), np.random.seed(3)
    before = random.getstate(), np.random.get_state()[1].copy()
    colors = np.array(visualize.random_colors(40))
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    np.testing.assert_array_equal(colors[:7], visualize.random_colors(7))
    assert colors.shape == (40, 3) and colors.min() >= 0 and colors.max() <= 1
    distance = np.abs(colors[:20, None] - colors[None, :20]).sum(-1) + 9 * np.eye(20)
    assert distance.min() > 0.1
    np.testing.assert_allclose(np.max(visualize.random_colors(5, bright=False), axis=1), 0.7)
    assert visualize.random_colors(0) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float32])
def test_apply_mask_blends_in_place_only_inside(dtype):
    image = np.full((4, 5, 3), 100, dtype)
    mask = np.zeros((4, 5), np.uint8)
    mask[1, 2] = 1
    out = visualize.apply_mask(image, mask, (1.0, 0.5, 0.0), alpha=0.25)
    assert out is image and out.dtype == dtype
    np.testing.assert_allclose(image[1, 2], [138.75, 106.875, 75.0], atol=1)
    assert np.sum(image != 100) == 3


def test_apply_mask_refuses_a_mask_of_another_size():
    with pytest.raises(ValueError, match=r"mask \(4, 4\) and image \(4, 5\)"):
        visualize.apply_mask(np.zeros((4, 5, 3)), np.ones((4, 4)), (1, 0, 0))


def test_paint_masks_equals_whole_image_blending():
    image, boxes, masks, _ = instances(6)
    colors = visualize.random_colors(6)
    inside, whole = image.copy(), image.copy()
    painting.paint_masks(inside, masks, boxes, colors)
    for i in range(6):
        visualize.apply_mask(whole, masks[:, :, i], colors[i])
    np.testing.assert_array_equal(inside, whole)


def test_draw_box_paints_the_edges_and_clips():
    image = np.zeros((20, 30, 3), np.uint8)
    assert visualize.draw_box(image, (4, 5, 10, 15), [255, 0, 0]) is image
    np.testing.assert_array_equal(image[4, 5:15, 0], 255)
    np.testing.assert_array_equal(image[4:10, 5, 0], 255)
    np.testing.assert_array_equal(image[6:10, 7:15], 0)
    visualize.draw_box(image, (-50, -50, 500, 500), [0, 9, 0])
    assert image[..., 1].max() == 0
    edge = visualize.draw_box(np.zeros((8, 8), np.uint8), (-1, 2, 8, 8), 7)
    np.testing.assert_array_equal(edge[0, 2:], 7)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((2, 2), 7, np.uint8), 7),
        (np.full((2, 2, 1), 0.5, np.float32), 128),
        (np.full((2, 2, 8), 300.0), 255),
        (np.full((2, 2, 3), -5.0), 0),
        (np.full((2, 2, 4), np.nan), 0),
        (np.ones((2, 2), bool), 255),
        (np.full((2, 2, 3), 200, np.uint32), 200),
    ],
)
def test_any_image_becomes_rgb(image, expected):
    np.testing.assert_array_equal(painting.to_rgb(image), np.full((2, 2, 3), expected, np.uint8))


def test_to_rgb_copies_and_refuses():
    image = np.zeros((3, 3, 3), np.uint8)
    painting.to_rgb(image)[:] = 9
    assert image.max() == 0
    with pytest.raises(ValueError, match="expected an image"):
        painting.to_rgb(np.zeros((1, 3, 3, 3)))


def test_mask_outlines_lie_half_a_pixel_outside():
    mask = np.zeros((30, 30), bool)
    mask[10:14, 20:27] = True
    mask[11:13, 22:24] = False
    window = painting.window_of((10, 20, 14, 27), mask.shape)
    lines = painting.mask_outlines(mask[window], window)
    assert len(lines) == 2  # the outer edge and the hole
    outer = np.concatenate(lines)
    np.testing.assert_allclose(outer.min(0), [19.5, 9.5])
    np.testing.assert_allclose(outer.max(0), [26.5, 13.5])


@pytest.mark.parametrize("count", [0, 1, 20])
@pytest.mark.parametrize("size", [40, 300])
def test_display_instances_at_every_count(count, size):
    image, boxes, masks, class_ids = instances(count, size)
    before = image.copy()
    scores = np.linspace(0.5, 1, count)
    fig = visualize.display_instances(image, boxes, masks, class_ids, NAMES, scores, title="t")
    np.testing.assert_array_equal(image, before)
    wanted = [f"{NAMES[c]} {s:.2f}" for c, s in zip(class_ids, scores, strict=True)]
    assert texts(fig) == wanted
    assert len(fig.axes[0].patches) == count
    assert rendered(fig).std() > 0


def test_display_instances_fills_the_mask_with_its_colour():
    image = np.zeros((50, 50, 3), np.uint8)
    masks = np.zeros((50, 50, 1), bool)
    masks[10:40, 10:40] = True
    one = image, [[10, 10, 40, 40]], masks, [1], NAMES
    options = {"colors": [(0.0, 1.0, 0.0)], "captions": [None], "figsize": (2, 2)}
    filled = rendered(visualize.display_instances(*one, **options))
    hollow = rendered(visualize.display_instances(*one, show_mask=False, **options))
    assert filled.shape[:2] == (200, 200)
    np.testing.assert_allclose(filled[100, 100], [0, 127, 0], atol=1)
    np.testing.assert_array_equal(hollow[100, 100], 0)
    assert hollow[..., 1].max() > 200  # the outline stays


def test_display_instances_options():
    image, boxes, masks, class_ids = instances(3)
    boxes[1] = 0  # a padding row
    plain = {"show_bbox": False, "captions": ["a", "", "c"], "colors": [(1, 0, 0)] * 3}
    fig = visualize.display_instances(image, boxes, masks, class_ids, NAMES, **plain)
    assert texts(fig) == ["a", "c"]
    assert not fig.axes[0].patches
    assert visualize.display_instances(image, boxes, None, class_ids, NAMES).axes[0].patches


def test_display_instances_draws_on_given_axes():
    image, boxes, masks, class_ids = instances(2)
    fig, axes = plt.subplots(1, 2)
    out = visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=axes[1])
    assert out is fig
    assert len(axes[1].images) == 1 and not axes[0].images


def test_display_instances_refuses_what_does_not_fit():
    image, boxes, masks, class_ids = instances(3)
    with pytest.raises(ValueError, match=r"masks of shape \(64, 64, 3\), received \(64, 64, 2\)"):
        visualize.display_instances(image, boxes, masks[..., :2], class_ids, NAMES)
    with pytest.raises(ValueError, match="3 boxes but 2 class_ids"):
        visualize.display_instances(image, boxes, masks, class_ids[:2], NAMES)
    with pytest.raises(ValueError, match="instance 1 has class id 9; class_names knows 0..3"):
        visualize.display_instances(image, boxes, masks, [1, 9, 1], NAMES)


def test_letters_and_lines_follow_the_drawn_size():
    sizes = []
    for side in (1.0, 16.0):
        ax, _ = figure.image_axes((100, 100), (side, side))
        sizes.append(figure.style_sizes(ax, (100, 100)))
    (small_font, small_line, _), (large_font, large_line, px_per_point) = sizes
    assert 4 <= small_font < large_font <= 13
    assert small_line < large_line <= 2.6
    np.testing.assert_allclose(px_per_point, 100 / (16 * 72))
    assert figure.style_sizes(ax, (100, 100), 100)[0] < large_font


def test_a_new_figure_takes_the_shape_of_the_image():
    fig = visualize.display_instances(np.zeros((50, 200, 3), np.uint8), [], None, [], NAMES)
    np.testing.assert_allclose(fig.get_size_inches(), [16, 4])


def test_the_caption_of_a_crowd_says_so():
    captions = instance_captions([2, -1], ["BG", "cat", "dog"], [None, 0.5])
    assert captions == ["dog", "cat (crowd) 0.50"]


def test_display_differences_captions():
    image, boxes, masks, class_ids = instances(3, 200, seed=4)
    found = boxes[[2, 0]], class_ids[[2, 0]], np.array([0.6, 0.9]), masks[..., [2, 0]]
    fig = visualize.display_differences(image, boxes, class_ids, masks, *found, NAMES)
    missed = f"missed: {NAMES[class_ids[1]]}"
    assert texts(fig) == [missed, "0.90 / 1.00", "0.60 / 1.00"]
    few = visualize.display_differences(
        image, boxes, class_ids, masks, *found, NAMES, score_threshold=0.8
    )
    assert texts(few)[-1] == "0.90 / 1.00" and len(texts(few)) == 3
    empty = boxes[:0], class_ids[:0], np.zeros(0), masks[..., :0]
    none = visualize.display_differences(image, boxes, class_ids, masks, *empty, NAMES)
    assert len(texts(none)) == 3
    no_truth = visualize.display_differences(
        image, boxes[:0], class_ids[:0], masks[..., :0], *found, NAMES
    )
    assert texts(no_truth) == ["0.90 / 0.00", "0.60 / 0.00"]


def test_display_images_grid():
    images = [np.zeros((10, 12, 3), np.uint8), np.zeros((9, 9)), np.zeros((5, 5, 1), bool)]
    fig = visualize.display_images(images, ["a", "b", "c"], cols=2, cmap="Blues")
    assert [ax.get_title() for ax in fig.axes] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="one title per image"):
        visualize.display_images(images, ["a"])
    assert visualize.display_images([]).axes == []


def test_draw_rois_draws_the_limit_and_leaves_random_alone():
    image, boxes, _, class_ids = instances(12, 100)
    class_ids[::2] = 0
    masks = np.ones((12, 28, 28), np.float32)
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    args = image, boxes, boxes + 1, masks, class_ids, NAMES
    fig = visualize.draw_rois(*args, limit=6)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert fig.axes[0].get_title() == "6 of 12 regions, 6 positive"
    positive = len(texts(fig))
    assert len(fig.axes[0].patches) == 6 + positive
    empty = visualize.draw_rois(image, boxes[:0], boxes[:0], masks[:0], class_ids[:0], NAMES)
    assert not empty.axes[0].patches


def test_draw_boxes():
    image, boxes, masks, _ = instances(3)
    labels = ["a", "b", "c"]
    fig = visualize.draw_boxes(image, boxes, boxes + 2, masks, labels, [0, 1, 2], title="t")
    assert texts(fig) == ["b", "c"]
    assert len(fig.axes[0].patches) == 3 + 2
    assert len(visualize.draw_boxes(image, refined_boxes=boxes).axes[0].patches) == 3
    assert not visualize.draw_boxes(image, boxes[:0]).axes[0].patches
    with pytest.raises(ValueError, match="received neither"):
        visualize.draw_boxes(image)


def test_display_top_masks_orders_by_area():
    masks = np.zeros((20, 20, 3), bool)
    masks[:2, :2, 0] = masks[5:15, 5:15, 1] = masks[16:18, 16:18, 2] = True
    fig = visualize.display_top_masks(
        np.zeros((20, 20, 3), np.uint8), masks, np.array([1, 2, 1]), NAMES, limit=3
    )
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == ["H x W = 20 x 20", "square (1)", "circle (2)"]  # no empty panels


def test_charts():
    fig = visualize.plot_precision_recall(0.5, [1, 0.5, 0], [0, 0.5, 1])
    assert "AP@50 = 0.500" in fig.axes[0].get_title()
    line = fig.axes[0].lines[0]
    recall, precision = matplotlib.cbook.STEP_LOOKUP_MAP[line.get_drawstyle()](*line.get_data())
    assert np.trapezoid(precision, recall) == 0.25  # the area is the AP: (0.5 * 0.5 + 0.5 * 0)
    overlaps = np.array([[0.9, 0.0], [0.2, 0.7]])
    fig = visualize.plot_overlaps([1, 2], [1, 3], [0.9, 0.8], overlaps, NAMES)
    assert texts(fig)[:4] == ["0.90\nmatch", "", "0.20", "0.70\nwrong"]
    rendered(fig)
    rendered(visualize.plot_overlaps([], [], [], np.zeros((0, 0)), NAMES))
    rendered(visualize.plot_overlaps([1], [], [], np.zeros((0, 1)), NAMES))


def test_display_table_aligns_ragged_rows(capsys):
    text = visualize.display_table([["name", "n"], ["a", 10], ["<b>"]])
    assert text == "name n\na    10\n<b>"
    assert capsys.readouterr().out == text + "\n"
    assert visualize.display_table([]) == ""


def test_display_weight_stats_marks_what_looks_wrong(capsys):
    class Variable:
        def __init__(self, name):
            self.name = name

    class Layer:
        name = "conv1"
        weights = [Variable(name) for name in ("kernel", "bias", "gamma", "beta",
                                               "moving_variance")]

        def get_weights(self):
            return [np.ones((3, 3)), np.zeros(3), np.array([1.0, np.inf]), np.array([2e3, 0]),
                    np.array([2e4, 1])]

    class Model:
        def get_trainable_layers(self):
            return [Layer()]

    lines = visualize.display_weight_stats(Model()).splitlines()
    assert [line.split("***")[-1].strip() for line in lines[1:2]] == ["all equal"]
    assert "***" not in lines[2]
    assert lines[3].endswith("not finite") and lines[4].endswith("very large")
    assert "***" not in lines[5]  # of raw pixels the variance is large
    capsys.readouterr()


def test_compare_figure_keeps_an_object_s_colour():
    image, boxes, masks, class_ids = instances(3, 100, seed=1)
    truth = {"rois": boxes, "masks": masks, "class_ids": class_ids}
    away = np.roll(masks[..., :1], 50, axis=0)
    result = {
        "rois": np.concatenate([boxes[[2]], boxes[[0]] + [50, 0, 50, 0]]),
        "masks": np.concatenate([masks[..., [2]], away], axis=-1),
        "class_ids": class_ids[[2, 0]],
        "scores": np.array([0.9, 0.8]),
    }
    none = {"rois": boxes[:0], "masks": masks[..., :0], "class_ids": [], "scores": []}
    fig = visualize.compare_figure([image] * 3, [truth, truth, none], [result, none, none], NAMES)
    assert len(fig.axes) == 6
    first, second = fig.axes[:2]
    assert len(first.texts) == 3 and len(second.texts) == 2
    same = [text.get_bbox_patch().get_facecolor()[:3] for text in (first.texts[2], second.texts[0])]
    np.testing.assert_allclose(same[0], same[1])
    np.testing.assert_allclose(second.texts[1].get_bbox_patch().get_facecolor()[:3], 1)
    with pytest.raises(ValueError, match="1 images, 0 truths, 0 results"):
        visualize.compare_figure([image], [], [], NAMES)


def test_nothing_is_shown_and_few_figures_stay_open_without_a_screen(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("plt.show() without a screen"))
    figures = [visualize.display_images([np.zeros((4, 4))]) for _ in range(30)]
    assert len(plt.get_fignums()) <= 4
    assert plt.gcf() is figures[-1]  # a script's plt.savefig() writes the latest picture
    picture = io.BytesIO()
    figures[0].savefig(picture)  # closed ones can still be written
    assert picture.getvalue().startswith(b"\x89PNG")


def test_a_new_figure_is_shown_once_where_there_is_a_screen(monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda *a, **k: shown.append(1))
    monkeypatch.setattr(figure, "_has_screen", lambda: True)
    image, boxes, masks, class_ids = instances(1)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES)
    assert shown == [1]
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=plt.gca())
    assert shown == [1]


def test_classes_are_drawn_alone_and_keep_their_colours():
    image, boxes, masks, _ = instances(3, 200)
    class_ids, names = np.array([1, 2, -1]), ["BG", "person", "dog"]
    args = image, boxes, masks, class_ids, names
    whole = visualize.display_instances(*args)
    some = visualize.display_instances(*args, classes=["person"])
    assert texts(some) == ["person", "person (crowd)"]
    for k, i in enumerate((0, 2)):
        assert some.axes[0].patches[k].get_edgecolor() == whole.axes[0].patches[i].get_edgecolor()
    persons = visualize.display_instances_person(*args, [0.5, 0.6, 0.7], title="t")
    assert texts(persons) == ["person 0.50", "person (crowd) 0.70"]
    with pytest.raises(ValueError, match="'cow' is not known; known are person, dog"):
        visualize.display_instances(*args, classes=["cow"])
    with pytest.raises(ValueError, match="'person' is not known"):
        visualize.display_instances_person(image, boxes, masks, class_ids, ["BG", "cat", "dog"])


def test_display_differences_of_some_classes():
    image, boxes, masks, class_ids = instances(3, 200, seed=4)
    class_ids[:] = 1, 2, 2
    args = image, boxes, class_ids, masks, boxes[:2], class_ids[:2], np.ones(2), masks[..., :2]
    fig = visualize.display_differences(*args, NAMES, classes=["square"])
    assert texts(fig) == ["missed: square", "1.00 / 1.00"]


def test_draw_boxes_takes_colours():
    image, boxes, _, _ = instances(2)
    fig = visualize.draw_boxes(image, boxes, colors=[(1, 0, 0), (0, 1, 0)])
    np.testing.assert_allclose(fig.axes[0].patches[1].get_edgecolor()[:3], [0, 1, 0])
