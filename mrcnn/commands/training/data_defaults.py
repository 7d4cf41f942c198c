"""Settings that follow from the data: image size, channels, anchors, limits, steps."""

import math
import re
from pathlib import Path

import numpy as np

from mrcnn.commands import machine
from mrcnn.data.image_files import read_bands

SIDE_STEP, LEAST_SIDE = 64, 128  # pixels
SIZES_READ, FILES_OPENED = 500, 5  # images that are enough to tell
MOST_STEPS, MOST_VAL_STEPS = 1000, 50
MOST_OBJECTS = 1000
MOST_CACHE_MB, SHARE_OF_MEMORY = 4096, 0.1
FIT_OF_TRAINED = 0.05  # gain in recall that is worth new anchors for trained weights


def run_name(path):
    """A name for folders and files, out of that of the data set.

    Args:
        path: folder or file.

    Returns:
        Lower-case letters, digits and _; "model" where nothing is left of the name.
    """
    path = Path(path).resolve()
    stem = path.stem if path.is_file() else path.name
    if stem.lower() in ("train", "annotations", "images", "data"):
        stem = path.parent.name or stem
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "model"


def image_side(dataset, most):
    """A network side for the images of a set: what nine in ten fill, within limits.

    Args:
        dataset: prepared Dataset.
        most: the largest side to use, a multiple of 64.

    Returns:
        Side in pixels, a multiple of 64; `most` where no size can be read.
    """
    ids = np.asarray(dataset.image_ids)
    ids = ids[np.linspace(0, len(ids) - 1, min(SIZES_READ, len(ids))).astype(int)]
    sizes = [size for size in (_size(dataset, int(i)) for i in ids) if size]
    if not sizes:
        return most
    typical = float(np.percentile([max(size) for size in sizes], 90))
    side = -(-round(typical) // SIDE_STEP) * SIDE_STEP
    return int(np.clip(side, min(LEAST_SIDE, most), most))


def _size(dataset, image_id):
    """(height, width), None where it cannot be read: the check will say it."""
    info = dataset.image_info[image_id]
    if info.get("height") and info.get("width"):
        return info["height"], info["width"]
    try:
        return dataset.image_size(image_id)
    except (OSError, ValueError, AttributeError):
        return None


def channel_count(dataset):
    """IMAGE_CHANNEL_COUNT for the files of a set: 3 for photographs, grey ones included.

    More where the first files have more bands than a picture: five and above, or four in a TIFF
    or .npy, which have no transparency.
    """
    counts = set()
    for image_id in dataset.image_ids[:FILES_OPENED]:
        path = dataset.image_info[int(image_id)].get("path")
        try:
            bands = read_bands(path).shape[2] if path else 3
        except (OSError, ValueError):
            continue
        is_picture = Path(path or "").suffix.lower() not in (".tif", ".tiff", ".npy")
        counts.add(3 if bands < 4 or (bands == 4 and is_picture) else bands)
    return counts.pop() if len(counts) == 1 else 3


def steps_of(images, batch, least):
    """STEPS_PER_EPOCH: every image about once, but neither a moment nor hours."""
    return int(np.clip(-(-images // batch), least, MOST_STEPS))


def validation_steps(images, batch):
    """VALIDATION_STEPS: every image once, as far as that is quick."""
    return int(min(-(-images // batch), MOST_VAL_STEPS))


def cache_size(images, shape):
    """IMAGE_CACHE_MB: room for all resized images where that is little memory, else none.

    Args:
        images: number of them.
        shape: [H, W, C] in the network, uint8.
    """
    megabytes = math.ceil(images * math.prod(map(int, shape)) / 2**20 * 1.1)
    most = (machine.memory_gib() or 0) * 1024 * SHARE_OF_MEMORY
    return megabytes if megabytes <= min(most, MOST_CACHE_MB) else 0


def from_statistics(statistics, trained):
    """Anchors and limits out of the statistics of a checked set.

    Args:
        statistics: `Report.statistics`, None for a set that was not checked.
        trained: True where trained weights are the start: they know their anchors, so that
            others have to be clearly better.

    Returns:
        (dict knob -> value, list of lines that say why).
    """
    if statistics is None:
        return {}, []
    knobs, reasons = _limits(statistics["instances_per_image"]), []
    advice = statistics["anchors"]
    if advice is None or advice["keep"]:
        return knobs, reasons
    now, then = advice["current"]["recall_50"], advice["advised"]["recall_50"]
    if trained and then - now < FIT_OF_TRAINED:
        return knobs, reasons
    knobs["RPN_ANCHOR_SCALES"] = tuple(advice["RPN_ANCHOR_SCALES"])
    knobs["RPN_ANCHOR_RATIOS"] = list(advice["RPN_ANCHOR_RATIOS"])
    reasons.append(f"scales {knobs['RPN_ANCHOR_SCALES']}, ratios {knobs['RPN_ANCHOR_RATIOS']}, "
                   "fitted to the objects")
    reasons.append(f"they reach {_shares(advice['advised'])} of them at IoU 0.5 and 0.7, the usual "
                   f"ones {_shares(advice['current'])}")
    return knobs, reasons


def _shares(figures):
    return f"{figures['recall_50']:.0%} and {figures['recall_70']:.0%}"


def _limits(counts):
    """A limit on the objects of an image, with some room; above the usual 100 all limits rise."""
    limit = int(np.clip(-(-int(counts["max"]) * 5 // 4 // 10) * 10, 20, MOST_OBJECTS))
    return {"MAX_OBJECTS_PER_IMAGE" if limit > 100 else "MAX_GT_INSTANCES": limit}
