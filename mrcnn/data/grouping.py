"""Images of like shape in one batch: what GROUP_BY_ASPECT does to the order of a pass."""

from dataclasses import dataclass

import numpy as np

from mrcnn.data.image_files import read_image_size
from mrcnn.geometry.resize import placement
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE

OCTAVE = 8  # shapes whose aspect ratios differ by less than 2 ** (1 / 8) count as alike
AREA_OCTAVE = 4


@dataclass
class Grouping:
    """How images are grouped.

    Attributes:
        group: image id -> its group; near numbers stand for shapes that are nearly alike.
        batch_size: images a batch.
        joined: batches run on from one pass to the next, as training reads them; False where
            every pass begins with a batch of its own.
    """

    group: dict
    batch_size: int
    joined: bool = True

    def order(self, image_ids, seed, number):
        """The ids of one shuffled pass in another order, so that batches hold like shapes.

        The first and the last images of a pass may share a batch with those of its neighbours;
        both sides take them from about the same place in the row of shapes.

        Args:
            image_ids: [N] ids in random order.
            seed: int.
            number: of the pass; order and places follow from both numbers.
        """
        size, count = self.batch_size, len(image_ids)
        row = sorted(image_ids.tolist(), key=self.group.__getitem__)  # equals stay shuffled
        used = number * count % size if self.joined else 0
        head, row = _cut_out(row, min(-used % size, count), _place(seed, number))
        tail, row = _cut_out(row, len(row) % size, _place(seed, number + 1))
        batches = np.array(row, image_ids.dtype).reshape(-1, size)
        chance = np.random.default_rng([seed, number, 3])
        return np.concatenate([head, chance.permutation(batches).ravel(), tail]).astype(
            image_ids.dtype)


def _place(seed, number):
    """Where in the row of shapes the batch lies that joins pass `number` to the one before."""
    return np.random.default_rng([seed, number, 2]).random()


def _cut_out(row, count, place):
    """(`count` neighbours from somewhere in the row, the others)."""
    start = int(place * (len(row) - count + 1))
    return row[start : start + count], row[:start] + row[start + count :]


def grouping_of(dataset, config, batch_size, joined=True):
    """The Grouping a Config asks for; None where it wants none or all shapes are one anyway.

    Where neither the dataset nor `image_info` knows the size of an image, its file's header is
    read; images whose size nobody knows make a group of their own.

    Args:
        dataset: a prepared Dataset.
        config: Config; GROUP_BY_ASPECT and IMAGE_RESIZE_MODE.
        batch_size: images a batch.
        joined: see Grouping.
    """
    if not config.GROUP_BY_ASPECT or config.IMAGE_RESIZE_MODE in ("square", "crop"):
        return None
    groups = {int(image_id): _group(_size(dataset, image_id), config)
              for image_id in dataset.image_ids}
    return Grouping(groups, batch_size, joined)


def _group(size, config):
    if size is None or min(size) < 1:
        return (0, 0)
    if config.IMAGE_RESIZE_MODE in SHORTEST_EDGE:  # which makes all sizes of one aspect alike
        size = placement(*size, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, 0,
                         config.IMAGE_RESIZE_MODE)[1]
    height, width = size
    return (round(OCTAVE * np.log2(height / width)), round(AREA_OCTAVE * np.log2(height * width)))


def _size(dataset, image_id):
    """(height, width) of an image, or None where it cannot be known."""
    info = dataset.image_info[image_id]
    try:
        if hasattr(dataset, "image_size"):
            return dataset.image_size(image_id)
        if "height" in info and "width" in info:
            return int(info["height"]), int(info["width"])
        return read_image_size(info["path"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
