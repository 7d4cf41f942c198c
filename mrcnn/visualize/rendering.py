"""A fast painter of detections, for video and for many pictures.

It draws with OpenCV into arrays, each instance inside its box only. `display_instances` makes a
figure of the same look, at some twenty times the cost.
"""

import numpy as np

from mrcnn.visualize import painting
from mrcnn.visualize.lettering import crowding, ink_on, label_pixels, most_letters, with_ending
from mrcnn.visualize.placement import place_labels
from mrcnn.visualize.selection import class_numbers

COLOR_BY = ("class", "instance")


class Renderer:
    """Paints masks, boxes and labels of detections onto images.

    One object serves any number of images, from several threads as well.

    Args:
        class_names: name of every class, background first.
        show_masks: tint the masks and draw their outlines.
        show_boxes: draw the boxes.
        show_labels: write class and score, where there is room.
        show_scores: the score in the label.
        splash: everything but the instances in grey.
        classes: names or ids of the only classes to draw; None for all.
        color_by: "class", steady from frame to frame, or "instance", which tells neighbours
            apart: the i-th instance has the i-th of `random_colors`, as in `display_instances`.
        alpha: weight of a mask's colour, 0 to 1.
        text_size: of the labels in pixels; None follows the image's size.

    Raises:
        ValueError: an unknown class or `color_by`.
    """

    def __init__(self, class_names, show_masks=True, show_boxes=True, show_labels=True,
                 show_scores=True, splash=False, classes=None, color_by="class", alpha=0.5,
                 text_size=None):
        if color_by not in COLOR_BY:
            raise ValueError(f"color_by: expected one of {COLOR_BY}, received {color_by!r}")
        self.class_names = [str(name) for name in class_names]
        self.show_masks, self.show_boxes, self.splash = show_masks, show_boxes, splash
        self.show_labels, self.show_scores = show_labels, show_scores
        self.wanted = None if classes is None else class_numbers(classes, self.class_names)
        self.color_by, self.alpha, self.text_size = color_by, alpha, text_size

    def draw(self, image, result, colors=None):
        """A picture of an image and what was found in it.

        Args:
            image: [H, W, C]; see `painting.to_rgb`. It is not changed.
            result: dict of `detect`: "rois" [N, (y1, x1, y2, x2)] pixels; "class_ids" [N],
                negated for a crowd; "masks" [H, W, N] as an array, lazily or as RLE, or None;
                "scores" [N] may lack.
            colors: [N] colours of floats in 0..1 in place of those of `color_by`.

        Returns:
            [H, W, 3] uint8, a new array.

        Raises:
            ValueError: image, boxes, classes, masks and colours do not fit each other.
        """
        canvas = painting.to_rgb(image)
        boxes, class_ids, masks, scores = self._checked(canvas, result)
        shown = self._shown(boxes, class_ids)
        colors = self._colors(class_ids, colors)
        line = _line_width(canvas.shape)
        windows = [painting.window_of(box, canvas.shape) for box in boxes]
        parts = {} if masks is None else {i: _part(masks, windows[i], i) for i in shown}
        if self.splash:
            _grey_outside(canvas, parts, windows)
        elif self.show_masks:
            for i, part in parts.items():
                _tint(canvas[windows[i]], part, colors[i], self.alpha)
        if self.show_masks:
            for i, part in parts.items():
                _draw_outline(canvas[windows[i]], part, colors[i], line)
        if self.show_boxes:
            for i in shown:
                _draw_box(canvas, boxes[i], colors[i], line)
        if self.show_labels:
            self._write_labels(canvas, boxes, class_ids, scores, colors, shown)
        return canvas

    def _checked(self, canvas, result):
        """(boxes [N, 4], class ids [N], masks to take windows of or None, scores or None)."""
        boxes = np.asarray(result["rois"], dtype=np.float32).reshape(-1, 4)
        class_ids = np.asarray(result["class_ids"], dtype=np.int64).reshape(-1)
        scores, count = result.get("scores"), len(boxes)
        if len(class_ids) != count or (scores is not None and len(scores) != count):
            raise ValueError(f"{count} boxes, {len(class_ids)} class_ids and "
                             f"{'no' if scores is None else len(scores)} scores: expected one "
                             "per instance")
        largest = int(np.abs(class_ids).max(initial=0))
        if largest >= len(self.class_names):
            raise ValueError(f"class id {largest} has no name; class_names knows "
                             f"0..{len(self.class_names) - 1}")
        masks = painting.readable_masks(result.get("masks"), canvas.shape, count)
        return boxes, class_ids, masks, scores

    def _shown(self, boxes, class_ids):
        """Rows to draw: of a class that is wanted, and with a box that has an area."""
        keep = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        if self.wanted is not None:
            keep &= np.isin(np.abs(class_ids), list(self.wanted))
        return [int(i) for i in np.flatnonzero(keep)]

    def _colors(self, class_ids, given):
        """One tuple of three floats in 0..1 for each instance."""
        if given is not None:
            if len(given) != len(class_ids):
                raise ValueError(f"{len(class_ids)} instances and {len(given)} colors: expected "
                                 "one per instance")
            return list(given)
        if self.color_by == "instance":
            return painting.random_colors(len(class_ids))
        palette = painting.random_colors(len(self.class_names))
        return [palette[max(abs(class_id) - 1, 0)] for class_id in class_ids]

    def _write_labels(self, canvas, boxes, class_ids, scores, colors, shown):
        size = self.text_size or _text_size(canvas.shape, len(shown))
        most, labels = most_letters(canvas.shape[1], size), {}
        for i in shown:
            ending = " (crowd)" if class_ids[i] < 0 else ""
            ending += f" {float(scores[i]):.2f}" if self.show_scores and scores is not None else ""
            text = with_ending(self.class_names[abs(class_ids[i])], ending, most)
            if text:
                labels[i] = label_pixels(text, size, _bytes(colors[i]), _bytes(ink_on(colors[i])))
        limits = (0, 0, *canvas.shape[:2])
        sizes = [label.shape[:2] for label in labels.values()]
        places = place_labels(boxes[list(labels)], sizes, limits)
        for label, place in zip(labels.values(), places, strict=True):
            if place is not None:
                y, x = (int(part) for part in place)
                target = canvas[y : y + label.shape[0], x : x + label.shape[1]]
                target[:] = label[: target.shape[0], : target.shape[1]]


def _bytes(color):
    return tuple(int(round(255 * part)) for part in color[:3])


def _text_size(shape, count):
    """Pixels high; 16 on a frame of 1280 x 720 with few instances."""
    usual = 2 + 0.0155 * np.sqrt(shape[0] * shape[1])
    return int(np.clip(usual * crowding(count), 9, 60))


def _line_width(shape):
    """Pixels; 2 on a frame of 1280 x 720."""
    return int(np.clip(round(0.002 * np.sqrt(shape[0] * shape[1])), 1, 8))


def _part(masks, window, i):
    """The mask of one instance inside its window, [h, w] uint8 of 0 and 1."""
    part = np.ascontiguousarray(masks[window[0], window[1], i])
    return part.view(np.uint8) if part.dtype == bool else (part == 1).view(np.uint8)


def _tint(region, part, color, alpha):
    """Blends a colour into the pixels of a part, in place."""
    import cv2

    if part.size:
        ground = np.empty(region.shape, np.uint8)
        cv2.rectangle(ground, (0, 0), part.shape[::-1], _bytes(color), cv2.FILLED)
        cv2.copyTo(cv2.addWeighted(region, 1 - alpha, ground, alpha, 0), part, region)


def _draw_outline(region, part, color, line):
    """The outline of a part, holes included, in place."""
    import cv2

    if part.size:
        outlines, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(region, outlines, -1, _bytes(color), line, cv2.LINE_8)


def _draw_box(canvas, box, color, line):
    """The outline of a box, along the inside of its edges, in place."""
    tint = _bytes(color)
    height, width = canvas.shape[:2]
    y1, x1, y2, x2 = (int(round(float(v))) for v in box)
    rows, columns = slice(max(y1, 0), max(y2, 0)), slice(max(x1, 0), max(x2, 0))
    for y in (max(y1, 0), max(min(y2, height) - line, 0)):
        canvas[y : y + line, columns] = tint
    for x in (max(x1, 0), max(min(x2, width) - line, 0)):
        canvas[rows, x : x + line] = tint


def _grey_outside(canvas, parts, windows):
    """Makes everything grey that is in no part, in place."""
    import cv2

    inside = np.zeros(canvas.shape[:2], np.uint8)
    for i, part in parts.items():
        inside[windows[i]] |= part
    grey = cv2.transform(canvas, painting.LUMA[None])  # rounds, as `color_splash` does
    cv2.copyTo(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), 1 - inside, canvas)
