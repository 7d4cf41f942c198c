"""The data sets of a training: which part trains, which part validates."""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path

from mrcnn.commands.reading import (
    TRAIN_SHAPES,
    TRAIN_WORDS,
    VAL_SHAPES,
    VAL_WORDS,
    DataSource,
)
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.detect import SHAPES

HELD_OUT = 0.1  # share of the images where there is no validation set
FEWEST_TO_SPLIT = 5  # images; fewer all train
NO_VAL = "none"


@dataclass
class TrainingData:
    """What trains and what validates.

    Attributes:
        train: prepared Dataset.
        val: prepared Dataset with the same classes, or None.
        format: name of the format of `train`.
        subset: the part that trains, None for all.
        val_path: where `val` was read; None for a part of the training images, or none.
        val_subset: its part.
        is_split: True where `hold_out` is to take `val` out of the training images.
    """

    train: Dataset
    val: Dataset | None
    format: str
    subset: str | None = None
    val_path: str | None = None
    val_subset: str | None = None
    is_split: bool = False


def load_sets(source, val=None):
    """Reads what is to train and to validate.

    Args:
        source: reading.DataSource of what trains; without a subset, train is taken of several.
        val: path of another set, the name of a subset of the first, "none" for no validation;
            None takes the subset val beside train, or holds a tenth of the images out.

    Returns:
        TrainingData.

    Raises:
        ValueError: subsets among which nothing decides, or classes of `val` that `source` has not.
        FileNotFoundError, DataError: as `load_dataset`.
    """
    if source.is_shapes:
        sets = [source.load(source.subset, count=count, seed=seed)
                for count, seed in (TRAIN_SHAPES, VAL_SHAPES)]
        return TrainingData(sets[0], None if val == NO_VAL else sets[1], SHAPES)
    name, names = source.format_name(), source.subsets()
    subset = source.chosen(TRAIN_WORDS)
    data = TrainingData(source.load(subset), None, name, subset)
    if val != NO_VAL:
        _add_val(data, source, val, names)
    return data


def _add_val(data, source, val, names):
    """Reads the validation set, or notes that a part is to be held out."""
    if val is not None and val not in names:
        source = DataSource(str(val), source.format, source.images if Path(val).is_file() else None,
                            options=source.options)
        data.val_path, data.val_subset = source.path, source.chosen(VAL_WORDS)
    else:
        data.val_subset = val or val_subset(names, data.subset)
        data.val_path = str(source.path) if data.val_subset else None
    if data.val_path is None:
        data.is_split = True
        return
    data.val = source.load(data.val_subset, classes=data.train)
    _check_agreement(data)


def val_subset(names, subset):
    """The subset that belongs to a training one, such as val2017 to train2017; None for none."""
    if subset is None or "train" not in subset:
        return None
    wished = [subset.replace("train", word, 1) for word in VAL_WORDS]
    return next((name for name in wished if name in names and name != subset), None)


def hold_out(data):
    """Keeps a tenth of the images for validation: the same ones for the same file names.

    Nothing happens where there is a validation set, none is wanted, or images are few.

    Args:
        data: TrainingData, changed in place.
    """
    ids = [int(image_id) for image_id in data.train.image_ids]
    if not data.is_split or len(ids) < FEWEST_TO_SPLIT:
        return
    ids.sort(key=lambda i: hashlib.sha1(str(data.train.image_info[i]["id"]).encode()).digest())
    count = max(1, round(HELD_OUT * len(ids)))
    data.val = _part(data.train, ids[count:])
    data.train = _part(data.train, ids[:count])


def _part(dataset, left_out):
    """The same dataset without some of its images."""
    part = copy.copy(dataset)
    part.skipped = set(dataset.skipped)
    part.skip_images(left_out)
    return part


def _check_agreement(data):
    """A class that is only in the validation set could never be found."""
    unknown = getattr(data.val, "left_out", None)
    if unknown:
        names = [str(name) for name in data.train.class_names[1:]]
        raise ValueError(
            f"{data.val_path}: the validation set has the classes {', '.join(sorted(unknown))}, "
            f"which the training set has not; that has {', '.join(names) or 'none'}. Are they "
            "spelt alike in both?")
