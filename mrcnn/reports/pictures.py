"""An image of an evaluation as a small picture: truth on the left, detections on the right."""

import base64
import io

import numpy as np

from mrcnn.evaluation.confusion import CROWD, FALSE, IGNORED, MISSED
from mrcnn.visualize import lettering, painting, placement

SIDE = 400  # pixels of a panel's longer side
MOST_ENLARGED = 4
MOST_LABELS = 12  # with more objects only mistakes are labelled
GAP = 6
LETTERS = 12  # pixels
RIGHT, MISNAMED, MISTAKE, UNCOUNTED = "right", "misnamed", "mistake", "uncounted"
COLORS = {RIGHT: (0.16, 0.71, 1.0), MISNAMED: (1.0, 0.82, 0.1), MISTAKE: (1.0, 0.2, 0.33),
          UNCOUNTED: (0.7, 0.7, 0.74)}
ORDER = (UNCOUNTED, RIGHT, MISNAMED, MISTAKE)  # mistakes are painted last, on top


def pair_picture(image, record, outcome, class_names):
    """Both panels side by side.

    Objects and detections are blue where one is the other, yellow where the name is wrong, red
    where an object was missed or a detection false, and grey where they do not count (crowds,
    and detections on them). Detections below the confidence are not drawn.

    Args:
        image: [H, W, C] as the dataset loads it.
        record: its ImageRecord.
        outcome: its Outcome.
        class_names: names by class id, the background first.

    Returns:
        [h, w, 3] uint8.
    """
    states = states_of(record, outcome)
    panels = [_panel(image, objects, part, class_names)
              for objects, part in zip((record.truth, record.found), states, strict=True)]
    seam = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([panels[0], seam, panels[1]], axis=1)


def states_of(record, outcome):
    """([G] states of the objects, [D] states of the detections; None for doubtful ones)."""
    truth, found = record.truth, record.found

    def together(j, i):
        return RIGHT if truth.class_ids[j] == found.class_ids[i] else MISNAMED

    objects = [MISTAKE if i == MISSED else UNCOUNTED if i == CROWD else together(j, i)
               for j, i in enumerate(outcome.truth)]
    detections = [MISTAKE if j == FALSE else UNCOUNTED if j == IGNORED
                  else together(j, i) if j >= 0 else None for i, j in enumerate(outcome.found)]
    return objects, detections


def as_jpeg(picture, quality=85):
    """[h, w, 3] uint8 as the address of a JPEG that lies in the address itself."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, optimize=True)
    return address_of(buffer.getvalue(), "jpeg")


def address_of(content, kind):
    """The bytes of an image file as an address that holds them; kind: "jpeg", "png", "svg+xml"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _panel(image, objects, states, class_names):
    """One half: the image with the objects on it."""
    from PIL import Image

    canvas = painting.to_rgb(image)
    height, width = canvas.shape[:2]
    scale = min(SIDE / max(height, width), MOST_ENLARGED)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.array(Image.fromarray(canvas).resize(size, Image.Resampling.BICUBIC))
    shown = sorted((i for i, state in enumerate(states) if state),
                   key=lambda i: ORDER.index(states[i]))
    for i in shown:
        _paint(canvas, objects, i, COLORS[states[i]], scale)
    picture = Image.fromarray(canvas)
    labelled = [i for i in reversed(shown)
                if len(shown) <= MOST_LABELS or states[i] in (MISNAMED, MISTAKE)]
    _write_labels(picture, objects.pixel_boxes()[labelled] * scale,
                  [label_of(objects, i, class_names) for i in labelled],
                  [COLORS[states[i]] for i in labelled])
    return np.array(picture)


def label_of(objects, i, class_names):
    """Name and score; of a data set with one class only the score."""
    parts = [class_names[int(objects.class_ids[i])]] if len(class_names) > 2 else []
    parts += [] if objects.scores is None else [f"{objects.scores[i]:.2f}"]
    return " ".join(parts)


def _paint(canvas, objects, i, color, scale):
    """Fills a mask thinly and draws its edge; a box where there is no mask."""
    if objects.codes is None:
        y1, x1, y2, x2 = objects.pixel_boxes()[i] * scale
        painting.draw_box(canvas, (y1, x1, y2, x2), tuple(int(255 * part) for part in color))
        return
    from pycocotools import mask as rle

    mask = rle.decode(objects.codes[i]) > 0
    rows, columns = (np.minimum(((np.arange(new) + 0.5) / scale).astype(int), old - 1)
                     for new, old in zip(canvas.shape[:2], mask.shape, strict=True))
    mask = np.pad(mask[rows][:, columns], 2)
    inner = mask.copy()
    for shift in (-2, -1, 1, 2):
        inner &= np.roll(mask, shift, 0) & np.roll(mask, shift, 1)
    mask, edge = mask[2:-2, 2:-2], (mask & ~inner)[2:-2, 2:-2]
    painting.apply_mask(canvas, mask, color, 0.3)
    painting.apply_mask(canvas, edge, color, 0.9)


def _write_labels(picture, boxes, texts, colors):
    """Black letters on the colours of their objects, where there is room; the first ones first."""
    from PIL import ImageDraw, ImageFont

    rows = [row for row in zip(boxes, texts, colors, strict=True) if row[1]]
    draw = ImageDraw.Draw(picture)
    fonts = [ImageFont.truetype(lettering.font_for(text), LETTERS) for _, text, _ in rows]
    sizes = [(LETTERS + 5, draw.textlength(text, font=font) + 4)
             for (_, text, _), font in zip(rows, fonts, strict=True)]
    places = placement.place_labels([box for box, _, _ in rows], sizes,
                                    (0, 0, picture.height, picture.width))
    for (_, text, color), font, size, place in zip(rows, fonts, sizes, places, strict=True):
        if place is not None:
            y, x = place
            draw.rectangle((x, y, x + size[1] - 1, y + size[0] - 1),
                           fill=tuple(int(255 * part) for part in color))
            draw.text((x + 2, y + 1), text, fill=(0, 0, 0), font=font)
