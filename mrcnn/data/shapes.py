"""ShapesDataset: coloured circles, squares and triangles, drawn when they are asked for."""

import colorsys

import cv2
import numpy as np

from mrcnn.data.dataset import Dataset

NAMES = ("circle", "square", "triangle")
LEAST_VISIBLE = 0.2  # an object less visible than this is left out of its image
FINER = 4  # shapes are drawn so many times larger, then averaged: smooth edges
FRACTION_BITS = 4  # sub-pixel bits of the coordinates given to OpenCV
FROM_BACKGROUND, FROM_EACH_OTHER = 130.0, 70.0  # least distance of colours in RGB
CIRCLE_CORNERS = 72


class ShapesDataset(Dataset):
    """Generated images for demos and tests; no files.

    An image depends on the seed and its index alone, not on the order of access. Later shapes
    lie above earlier ones; one that would keep less than a fifth of its area is not drawn.
    `image_info[i]` holds `bg_color` (RGB) and `shapes`, bottom to top: (name, RGB colour,
    (x, y, half the size)) in pixels.
    """

    def load_shapes(self, count, height=128, width=128, seed=0, min_size=24, max_size=64,
                    max_objects=4):
        """Adds `count` images.

        Args:
            count: number of images.
            height: of an image in pixels.
            width: of an image in pixels.
            seed: another seed, other images.
            min_size: least side or diameter of a shape in pixels.
            max_size: largest side or diameter; no more than fits the image.
            max_objects: each image holds 1 to this many shapes.

        Raises:
            ValueError: a size that cannot be drawn.
        """
        max_size = min(max_size, height, width)
        if not 4 <= min_size <= max_size:
            raise ValueError(
                f"min_size: expected 4 to {max_size} (max_size and the image's sides), "
                f"received {min_size}"
            )
        if max_objects < 1:
            raise ValueError(f"max_objects: expected at least 1, received {max_objects}")
        for class_id, name in enumerate(NAMES, start=1):
            self.add_class("shapes", class_id, name)
        start = len(self.image_info)
        for i in range(count):
            rng = np.random.default_rng([seed, i])
            background, shapes = random_scene(rng, height, width, min_size, max_size, max_objects)
            self.add_image("shapes", image_id=start + i, path=None, width=width, height=height,
                           bg_color=background, shapes=shapes)

    def load_image(self, image_id):
        """Draws an image: [height, width, 3] uint8."""
        info = self._info(image_id)
        size = info["height"], info["width"]
        image = np.empty((*size, 3), np.float32)
        image[:] = info["bg_color"]
        for name, colour, place in info["shapes"]:
            share = coverage(name, place, size)[:, :, None].astype(np.float32) / 255.0
            image += share * (np.asarray(colour, np.float32) - image)
        return np.rint(image).astype(np.uint8)

    def load_mask(self, image_id):
        """What can be seen of each shape: ([height, width, N] bool, class_ids [N] int32)."""
        info = self._info(image_id)
        size = info["height"], info["width"]
        mask = np.zeros((*size, len(info["shapes"])), bool)
        free = np.ones(size, bool)
        for i in reversed(range(len(info["shapes"]))):
            name, _, place = info["shapes"][i]
            whole = coverage(name, place, size) >= 128
            mask[:, :, i] = whole & free
            free &= ~whole
        class_ids = [self.map_source_class_id(f"shapes.{NAMES.index(shape[0]) + 1}")
                     for shape in info["shapes"]]
        return mask, np.array(class_ids, np.int32)

    def image_reference(self, image_id):
        """The names of the shapes, bottom to top."""
        return ", ".join(name for name, _, _ in self._info(image_id)["shapes"])


def random_scene(rng, height, width, min_size, max_size, max_objects):
    """Background colour and shapes of one image; every shape can be seen, see the class."""
    background = _random_colour(rng, (0.0, 0.35), (0.1, 1.0))
    shapes, colours = [], [background]
    for _ in range(rng.integers(1, max_objects + 1)):
        half = rng.uniform(min_size, max_size) / 2
        x, y = rng.uniform(half, width - half), rng.uniform(half, height - half)
        name = NAMES[rng.integers(len(NAMES))]
        colours.append(_distinct_colour(rng, colours))
        shapes.append((name, colours[-1], (float(x), float(y), float(half))))
    return background, _visible(shapes, (height, width))


def _visible(shapes, size):
    """Leaves out, from the top down, what the kept shapes hide too much of."""
    free, kept = np.ones(size, bool), []
    for shape in reversed(shapes):
        whole = coverage(shape[0], shape[2], size) >= 128
        if (whole & free).sum() >= LEAST_VISIBLE * whole.sum():
            kept.append(shape)
            free &= ~whole
    return kept[::-1]


def _random_colour(rng, saturation, value):
    red_green_blue = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation),
                                         rng.uniform(*value))
    return tuple(int(round(255 * part)) for part in red_green_blue)


def _distinct_colour(rng, colours, tries=40):
    """A strong colour unlike the first of `colours` (the background) and unlike the others."""
    limits = np.array([FROM_BACKGROUND] + [FROM_EACH_OTHER] * (len(colours) - 1))
    best, best_score = None, -1.0
    for _ in range(tries):
        colour = _random_colour(rng, (0.55, 1.0), (0.45, 1.0))
        distance = np.linalg.norm(np.subtract(colours, colour), axis=1)
        score = float((distance / limits).min())
        if score >= 1.0:
            return colour
        if score > best_score:
            best, best_score = colour, score
    return best


def _corners(name, x, y, half):
    """Outline of a shape in pixels, [corners, (x, y)]."""
    if name == "square":
        return np.array([(x - half, y - half), (x + half, y - half),
                         (x + half, y + half), (x - half, y + half)])
    if name == "triangle":
        return np.array([(x, y - half), (x + half, y + half), (x - half, y + half)])
    angle = np.linspace(0, 2 * np.pi, CIRCLE_CORNERS, endpoint=False)
    return np.stack([x + half * np.cos(angle), y + half * np.sin(angle)], axis=1)


def coverage(name, place, size):
    """How much of each pixel a shape covers, 0 to 255: [height, width] uint8."""
    fine = np.zeros((size[0] * FINER, size[1] * FINER), np.uint8)
    corners = _corners(name, *place) * FINER - 0.5  # OpenCV counts from the first pixel's centre
    fixed = np.rint(corners * (1 << FRACTION_BITS)).astype(np.int32)
    cv2.fillPoly(fine, [fixed], 255, shift=FRACTION_BITS)
    return cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA)
