"""The fast renderer, against loops over pixels and against the other ways to draw the same."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coding
from scenery import NAMES, WatchedMasks, result_of, scene

from mrcnn import visualize
from mrcnn.geometry.lazy_masks import PackedMasks
from mrcnn.visualize import rendering
from mrcnn.visualize.rendering import Renderer

PLAIN = {"show_boxes": False, "show_labels": False}


def test_masks_are_tinted_inside_and_nothing_changes_outside():
    image, *found = scene(90, 70, 3, seed=2)
    result, before = result_of(*found), image.copy()
    picture = Renderer(NAMES, color_by="instance", alpha=0.25, **PLAIN).draw(image, result)
    np.testing.assert_array_equal(image, before)
    assert picture.dtype == np.uint8 and picture is not image
    colors, masks = visualize.random_colors(3), found[1]
    kernel = np.ones((5, 5), np.uint8)
    near = cv2.dilate(masks.any(axis=2).astype(np.uint8), kernel) > 0
    deep, wide = (np.stack([change(plane.astype(np.uint8), kernel, borderValue=0) > 0
                            for plane in masks.transpose(2, 0, 1)], axis=2)
                  for change in (cv2.erode, cv2.dilate))  # away from every outline
    checked = 0
    for y, x in np.ndindex(70, 90):
        if not near[y, x]:
            np.testing.assert_array_equal(picture[y, x], image[y, x])
        elif deep[y, x].any() and wide[y, x].sum() == 1:
            expected = 0.75 * image[y, x] + 0.25 * 255 * np.array(colors[wide[y, x].argmax()])
            np.testing.assert_allclose(picture[y, x], expected, atol=1.01)
            checked += 1
    assert checked > 50


def test_outlines_have_the_full_colour_and_follow_holes():
    image = np.full((60, 60, 3), 100, np.uint8)
    masks = np.zeros((60, 60, 1), bool)
    masks[10:50, 10:50] = True
    masks[25:35, 25:35] = False
    result = result_of(np.array([[10, 10, 50, 50]]), masks, [1], None)
    picture = Renderer(NAMES, **PLAIN).draw(image, result)
    color = np.round(255 * np.array(visualize.random_colors(1)[0]))
    for y, x in ((10, 30), (49, 30), (30, 10), (24, 30), (30, 35)):
        np.testing.assert_array_equal(picture[y, x], color)
    np.testing.assert_array_equal(picture[30, 30], 100)
    assert not np.array_equal(picture[18, 18], color) and picture[18, 18, 0] > 150


def test_boxes_lie_on_their_edges():
    image = np.zeros((50, 80, 3), np.uint8)
    boxes = np.array([[10, 20, 30, 60], [-5, 70, 60, 95]])
    picture = Renderer(NAMES, show_labels=False).draw(
        image, {"rois": boxes, "class_ids": [1, 1], "masks": None})
    painted = picture.any(axis=2)
    expected = np.zeros((50, 80), bool)
    expected[10:30, 20:60] = True
    expected[11:29, 21:59] = False
    expected[:, 70] = expected[:, 79] = expected[0, 70:] = expected[49, 70:] = True
    np.testing.assert_array_equal(painted, expected)


def test_splash_is_the_splash_of_the_other_functions():
    image, boxes, masks, class_ids, scores = scene(120, 80, 5, seed=3)
    result = result_of(boxes, masks, class_ids, scores)
    expected = visualize.color_splash(image, masks)
    options = {"splash": True, "show_masks": False, **PLAIN}
    np.testing.assert_array_equal(Renderer(NAMES, **options).draw(image, result), expected)
    np.testing.assert_array_equal(visualize.draw_segmentation(image, masks), expected)
    np.testing.assert_array_equal(visualize.draw_segmentation(image, result), expected)
    dogs = visualize.color_splash(image, masks[..., class_ids == 3])
    np.testing.assert_array_equal(
        Renderer(NAMES, classes="dog", **options).draw(image, result), dogs)
    np.testing.assert_array_equal(
        visualize.draw_segmentation(image, result, class_names=NAMES, classes=["dog"]), dogs)
    np.testing.assert_array_equal(
        visualize.draw_segmentation(image, masks, class_ids, classes=[3]), dogs)


def test_draw_segmentation_refuses():
    image, boxes, masks, class_ids, scores = scene(30, 20, 2)
    with pytest.raises(ValueError, match="received none"):
        visualize.draw_segmentation(image, masks, classes=["dog"])
    with pytest.raises(ValueError, match=r"masks of shape \(20, 30, 2\), received \(10, 30, 2\)"):
        visualize.draw_segmentation(image, masks[:10])
    with pytest.raises(ValueError, match="no names here"):
        visualize.draw_segmentation(image, result_of(boxes, masks, class_ids, scores),
                                    classes=["dog"])


def test_every_form_of_masks_gives_the_same_picture():
    image, boxes, masks, class_ids, scores = scene(160, 120, 6, seed=4)
    codes = coding.encode(np.asfortranarray(masks.astype(np.uint8)))
    pictures = [Renderer(NAMES).draw(image, result_of(boxes, form, class_ids, scores))
                for form in (masks, masks.astype(np.uint8), PackedMasks.of(masks), codes)]
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])
    splashes = [visualize.draw_segmentation(image, form)
                for form in (masks, PackedMasks.of(masks), codes)]
    for splash in splashes[1:]:
        np.testing.assert_array_equal(splash, splashes[0])


def test_only_windows_of_lazy_masks_are_made():
    image, boxes, masks, class_ids, scores = scene(200, 150, 4, seed=5)
    watched = WatchedMasks(masks)
    for options in ({}, {"splash": True}):
        Renderer(NAMES, **options).draw(image, result_of(boxes, watched, class_ids, scores))
    visualize.draw_segmentation(image, result_of(boxes, watched, class_ids, scores))
    sides = boxes[:, 2:] - boxes[:, :2]
    assert len(watched.asked) == 12
    for i, (tall, wide) in enumerate(watched.asked):
        assert tall <= sides[i % 4, 0] + 2 and wide <= sides[i % 4, 1] + 2


def test_classes_leave_out_all_others():
    image, boxes, masks, class_ids, scores = scene(160, 120, 9, seed=6)
    keep = class_ids != 1
    some = result_of(boxes[keep], masks[..., keep], class_ids[keep], scores[keep])
    np.testing.assert_array_equal(
        Renderer(NAMES, classes=["dog", 2]).draw(image, result_of(boxes, masks, class_ids, scores)),
        Renderer(NAMES).draw(image, some))
    with pytest.raises(ValueError, match="'cow' is not known"):
        Renderer(NAMES, classes=["cow"])


def test_colours_by_class_do_not_depend_on_the_order():
    image, boxes, masks, class_ids, scores = scene(300, 200, 2, seed=11)
    both = result_of(boxes, masks, np.array([1, 3]), scores)
    turned = result_of(boxes[::-1], masks[..., ::-1], np.array([3, 1]), scores[::-1])
    by_class = Renderer(NAMES, show_labels=False)
    np.testing.assert_array_equal(by_class.draw(image, both), by_class.draw(image, turned))
    by_instance = Renderer(NAMES, show_labels=False, color_by="instance")
    assert (by_instance.draw(image, both) != by_instance.draw(image, turned)).any()
    with pytest.raises(ValueError, match="color_by: expected one of"):
        Renderer(NAMES, color_by="track")


def test_labels_say_class_score_and_crowd(monkeypatch):
    texts = []
    monkeypatch.setattr(rendering, "label_pixels", lambda text, *_: texts.append(text) or np.zeros(
        (4, 9, 3), np.uint8))
    image, boxes, masks, _, _ = scene(300, 200, 3)
    result = result_of(boxes, masks, [1, -3, 2], [0.5, 0.987, 1])
    Renderer(NAMES).draw(image, result)
    assert texts == ["person 0.50", "dog (crowd) 0.99", "traffic light with a very l… 1.00"]
    texts.clear()
    Renderer(NAMES, show_scores=False, classes=[1]).draw(image, result)
    assert texts == ["person"]


def test_a_score_is_whole_or_not_there(monkeypatch):
    texts = []
    monkeypatch.setattr(rendering, "label_pixels", lambda text, *_: texts.append(text) or np.zeros(
        (4, 9, 3), np.uint8))
    for width in (100, 60, 30, 12):
        result = result_of([[5, 1, 20, 9]], np.ones((40, width, 1), bool), [1], [0.92])
        Renderer(["BG", "balloon"]).draw(np.zeros((40, width, 3), np.uint8), result)
    assert texts == ["balloon 0.92", "ball… 0.92", "0.92"]


def test_colours_may_be_given():
    image, boxes, masks, class_ids, scores = scene(300, 200, 2, seed=11)
    result = result_of(boxes, masks, class_ids, scores)
    painter = Renderer(NAMES, show_labels=False, show_boxes=False, alpha=1)
    drawn = painter.draw(image, result, [(1, 1, 1), (0, 0, 0)])
    assert (drawn[masks[..., 1]] == 0).all()
    assert (drawn[masks[..., 0] & ~masks[..., 1]] == 255).mean() > 0.9  # but for the other's edge
    with pytest.raises(ValueError, match="2 instances and 1 colors"):
        painter.draw(image, result, [(1, 1, 1)])


@pytest.mark.parametrize(("size", "count"), [
    *((size, count) for size in ((100, 75), (300, 200), (3000, 100), (100, 3000))
      for count in (0, 1, 100)), ((3000, 2000), 1)])
def test_every_size_and_count(size, count):
    image, *found = scene(*size, count)
    picture = Renderer(NAMES).draw(image, result_of(*found))
    assert picture.shape == image.shape
    assert (picture != image).any() == (count > 0)


@pytest.mark.parametrize("image", [np.zeros((40, 50), np.uint8), np.zeros((40, 50, 1)),
                                   np.full((40, 50, 5), 300, np.uint16)])
def test_any_image_is_drawn_on(image):
    masks = np.zeros((40, 50, 1), bool)
    masks[5:30, 5:30] = True
    result = result_of(np.array([[5, 5, 30, 30]]), masks, [1], [0.9])
    assert Renderer(NAMES).draw(image, result).shape == (40, 50, 3)


@pytest.mark.parametrize(("change", "message"), [
    ({"class_ids": [1]}, "2 boxes, 1 class_ids and 2 scores"),
    ({"scores": [1]}, "2 boxes, 2 class_ids and 1 scores"),
    ({"class_ids": [1, 9]}, r"class id 9 has no name; class_names knows 0\.\.3"),
    ({"masks": np.zeros((20, 30, 3), bool)}, r"masks of shape \(20, 30, 2\)"),
])
def test_what_does_not_fit_is_refused(change, message):
    image, *found = scene(30, 20, 2)
    with pytest.raises(ValueError, match=message):
        Renderer(NAMES).draw(image, {**result_of(*found), **change})
