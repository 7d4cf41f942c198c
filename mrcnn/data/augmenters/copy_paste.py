"""Copy-paste: objects of another image put into this one (Ghiasi et al., arXiv 2012.07177)."""

import cv2
import numpy as np

from mrcnn.data.augmenters.sample import (
    Augmenter,
    Sample,
    check_number,
    content_box,
    masks_of,
    planes_of,
)

# Of an object that others were pasted over, less than this part or so few pixels is none.
LEAST_PART = 0.1
LEAST_PIXELS = 10


class CopyPaste(Augmenter):
    """Pastes objects of another image of the data set, at random places, each flipped or not.

    What they cover is taken from the masks below, and objects that are almost hidden disappear.
    Crowds are covered but never copied. Nothing happens where there is no other image, or where
    it has no object, another type or another number of channels.

    Args:
        p: probability.
        max_objects: how many are pasted at most; at least one is.
    """

    def __init__(self, p=0.5, max_objects=5):
        super().__init__(p)
        self.max_objects = int(check_number("max_objects", max_objects, 1, 1000))

    def change(self, sample, rng, another):
        """The sample with more objects, appended behind its own."""
        donor = another(rng) if another is not None else None
        if donor is None or (donor.image.dtype, donor.image.shape[2]) != (
                sample.image.dtype, sample.image.shape[2]):
            return sample
        boxes = [cv2.boundingRect(plane) for plane in planes_of(donor.masks)]
        usable = [i for i, (_, _, width, height) in enumerate(boxes)
                  if donor.class_ids[i] > 0 and width * height >= LEAST_PIXELS]
        if not usable:
            return sample
        count = min(len(usable), int(rng.integers(1, self.max_objects + 1)))
        chosen = rng.choice(usable, count, replace=False)
        pieces = [_cut_out(donor, i, boxes[i], bool(rng.integers(2))) for i in chosen]
        return _paste(sample, pieces, donor.class_ids[chosen], rng)


def _cut_out(donor, index, box, flip):
    """(image [h, w, C], mask [h, w] bool) of an object in its box."""
    x, y, width, height = box
    place = slice(y, y + height), slice(x, x + width)
    image, mask = donor.image[place], donor.masks[place][:, :, index]
    return (image[:, ::-1], mask[:, ::-1]) if flip else (image, mask)


def _paste(sample, pieces, class_ids, rng):
    """Puts pieces into a copy of the sample, later ones over earlier ones."""
    image, old = sample.image.copy(), planes_of(sample.masks)
    planes = np.zeros((len(old) + len(pieces), *old.shape[1:]), bool)
    planes[: len(old)] = old
    before = [np.count_nonzero(mask) for mask in [*old, *(mask for _, mask in pieces)]]
    y1, x1, y2, x2 = content_box(image)
    for i, (pixels, mask) in enumerate(pieces, len(old)):
        top = y1 + round(rng.random() * (y2 - y1 - mask.shape[0]))
        left = x1 + round(rng.random() * (x2 - x1 - mask.shape[1]))
        place = (slice(max(top, y1), min(top + mask.shape[0], y2)),
                 slice(max(left, x1), min(left + mask.shape[1], x2)))
        part = (slice(place[0].start - top, place[0].stop - top),
                slice(place[1].start - left, place[1].stop - left))
        image[place][mask[part]] = pixels[part][mask[part]]
        planes[:i, place[0], place[1]] &= ~mask[part]
        planes[i, place[0], place[1]] = mask[part]
    kept = np.array([_is_visible(plane, count) for plane, count in
                     zip(planes, before, strict=True)])
    ids = np.concatenate([sample.class_ids, class_ids]).astype(sample.class_ids.dtype)
    return Sample(image, masks_of(planes[kept]), ids[kept])


def _is_visible(plane, before):
    """False for an object of which pasting left almost nothing."""
    after = np.count_nonzero(plane)
    return after == before or after >= max(LEAST_PART * before, LEAST_PIXELS)
