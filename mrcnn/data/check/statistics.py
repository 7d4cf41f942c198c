"""What a data set consists of: classes, sizes, shapes, crowds, and anchors that would suit it."""

from collections import Counter

import numpy as np

from mrcnn.data.check.anchor_advice import advise
from mrcnn.data.check.frames import to_network

SMALL, MEDIUM = 32**2, 96**2  # COCO's limits between small, medium and large, pixels of mask
PERCENTILES = (5, 25, 50, 75, 95)
RATIO_EDGES = (0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0)  # width / height
MOST_SIZES = 20  # image sizes listed, the most frequent first


class Tally:
    """Collects images and their objects, and sums them up.

    Args:
        config: Config, for what depends on the size the network takes.
    """

    def __init__(self, config):
        self.config = config
        self.image_ids, self.sizes, self.objects = [], [], []

    def add(self, image_id, size, objects):
        """Counts an image.

        Args:
            image_id: its id.
            size: (height, width) in pixels, None where nothing says it.
            objects: an Objects.
        """
        self.image_ids.append(image_id)
        self.sizes.append(size)
        self.objects.append(objects)

    def joined(self, name):
        """One attribute of all objects, in one array."""
        parts = [getattr(objects, name) for objects in self.objects]
        empty = np.zeros((0, 4)) if name == "boxes" else np.zeros(0, int)
        return np.concatenate([empty, *parts]) if parts else empty

    def owners(self):
        """[N] int, for each object the place of its image in `image_ids`."""
        return np.repeat(np.arange(len(self.objects)), [len(one.areas) for one in self.objects])

    def in_network(self):
        """(boxes [N, 4] pixels of the molded image, frames [N, 2]) of all objects."""
        boxes, frames = [np.zeros((0, 4))], [np.zeros((0, 2), int)]
        for size, objects in zip(self.sizes, self.objects, strict=True):
            if len(objects.areas):
                moved, frame = to_network(objects.boxes, size, self.config)
                boxes.append(moved)
                frames.append(np.tile(np.array(frame, int), (len(moved), 1)))
        return np.concatenate(boxes), np.concatenate(frames)

    def statistics(self, class_names):
        """All of it in plain types, ready for JSON.

        Args:
            class_names: names of all classes, the background first.
        """
        crowds = self.joined("crowds").astype(bool)
        boxes, frames = self.in_network()
        return {
            "images": len(self.image_ids),
            "instances": int((~crowds).sum()),
            "crowds": int(crowds.sum()),
            "images_without_objects": sum(not len(one.areas) for one in self.objects),
            "classes": self._classes(class_names, crowds),
            "instances_per_image": self._per_image(),
            "network_side": self._network_side(),
            "object_sizes": _object_sizes(self.joined("areas")[~crowds], boxes[~crowds]),
            "image_sizes": _image_sizes([size for size in self.sizes if size]),
            "anchors": advise(boxes[~crowds], frames[~crowds], self.config),
        }

    def _classes(self, names, crowds):
        ids, owners = self.joined("class_ids").astype(int), self.owners()
        counts = [np.bincount(ids[chosen], minlength=len(names)) for chosen in (~crowds, crowds)]
        pairs = np.unique(np.stack([ids, owners]), axis=1)[0] if len(ids) else ids
        images = np.bincount(pairs, minlength=len(names))
        return [{"name": str(name), "instances": int(counts[0][i]), "crowds": int(counts[1][i]),
                 "images": int(images[i])} for i, name in enumerate(names) if i]

    def _per_image(self):
        counts = np.array([np.count_nonzero(~one.crowds) for one in self.objects] or [0])
        limit = int(self.config.MAX_GT_INSTANCES)
        return {"mean": round(float(counts.mean()), 2), "median": float(np.median(counts)),
                "max": int(counts.max()), "MAX_GT_INSTANCES": limit,
                "images_above": int((counts > limit).sum())}

    def small_objects(self):
        """Objects, no crowds, whose sqrt(width x height) is below the smallest anchor's side.

        Returns:
            (count, image id of the smallest, its (height, width) in network pixels), the latter
            two None where the count is 0.
        """
        boxes, _ = self.in_network()
        plain = np.flatnonzero(~self.joined("crowds").astype(bool))
        sides = (boxes[:, 2:] - boxes[:, :2])[plain]
        lengths = np.sqrt(sides.prod(axis=1))
        count = int((lengths < min(self.config.RPN_ANCHOR_SCALES)).sum())
        if not count:
            return 0, None, None
        least = int(lengths.argmin())
        image = self.image_ids[self.owners()[plain[least]]]
        return count, image, tuple(round(float(side), 1) for side in sides[least])

    def _network_side(self):
        """The longest side that images are scaled to; None where they are not scaled to one."""
        is_scaled = self.config.IMAGE_RESIZE_MODE not in ("crop", "none")
        return int(self.config.IMAGE_MAX_DIM) if is_scaled else None


def _object_sizes(areas, boxes):
    """Sizes of objects: by COCO's limits in image pixels, and as sides in network pixels."""
    lengths = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    quantiles = np.percentile(lengths, PERCENTILES) if len(lengths) else []
    return {
        "small": int((areas < SMALL).sum()),
        "medium": int(((areas >= SMALL) & (areas < MEDIUM)).sum()),
        "large": int((areas >= MEDIUM).sum()),
        "network_side_percentiles": {str(p): round(float(value), 1)
                                     for p, value in zip(PERCENTILES, quantiles, strict=False)},
    }


def _image_sizes(sizes):
    """How large images are, and how wide for their height."""
    if not sizes:
        return {"distinct": 0, "most_frequent": [], "aspect_ratios": {}}
    ratios = np.array([width / height for height, width in sizes])
    bins = np.bincount(np.searchsorted(RATIO_EDGES, ratios, side="right"),
                       minlength=len(RATIO_EDGES) + 1)
    names = [f"below {RATIO_EDGES[0]:g}",
             *(f"{low:g} to {high:g}"
               for low, high in zip(RATIO_EDGES[:-1], RATIO_EDGES[1:], strict=True)),
             f"{RATIO_EDGES[-1]:g} and above"]
    counted = Counter(sizes)
    frequent = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_SIZES]
    heights, widths = zip(*sizes, strict=True)
    return {
        "distinct": len(counted),
        "height": [int(min(heights)), int(max(heights))],
        "width": [int(min(widths)), int(max(widths))],
        "most_frequent": [{"height": int(h), "width": int(w), "images": n}
                          for (h, w), n in frequent],
        "aspect_ratios": {name: int(n) for name, n in zip(names, bins, strict=True)},
    }
