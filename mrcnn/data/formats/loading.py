"""load_dataset: a folder or annotation file of any known format becomes a Dataset."""

import inspect
import os
from difflib import get_close_matches

from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.detect import SHAPES, detect_format, is_shapes, reader_of
from mrcnn.data.shapes import ShapesDataset

SET_BY_US = ("dataset", "path", "images", "subset")


def load_dataset(path, format="auto", images=None, classes=None, subset=None, **options):
    """Reads one or several annotated sets; nothing of the images themselves is read.

    What is wrong with single entries is in the `findings` of the answer, not raised.

    Args:
        path: folder or annotation file, or a list of them, which become one dataset. "shapes"
            stands for the generated shapes.
        format: "coco", "via", "voc", "labelme", "yolo", "masks" or "shapes"; "auto" finds out.
        images: folder of the images where they lie elsewhere; a list where `path` is one.
        classes: names of the only classes to read, in their order, or a Dataset that has them.
        subset: such as "train", where a folder has several.
        **options: for the reader of the format, such as `class_ids` and `class_map` for COCO,
            or `count`, `height`, `width` and `seed` for the shapes. Where several sets are
            read and no `source` is given, the second becomes source "coco-2", and so on.

    Returns:
        A prepared AnnotatedDataset; for the shapes a prepared ShapesDataset.

    Raises:
        ValueError: an unknown format or option.
        FileNotFoundError: there is nothing at `path`.
        DataError: nothing that can be read; the message says what was looked for.
    """
    several = isinstance(path, (list, tuple))
    if not several and (format == SHAPES or (format == "auto" and is_shapes(path))):
        return _shapes(images, classes, subset, options)
    paths = list(path) if several else [path]
    folders = list(images) if isinstance(images, (list, tuple)) else [images] * len(paths)
    if not paths or len(folders) != len(paths):
        raise ValueError(f"path and images: expected as many folders as sets, at least one, "
                         f"received {len(folders)} and {len(paths)}")
    dataset = AnnotatedDataset(classes)
    for one, folder in zip(paths, folders, strict=True):
        name = detect_format(one) if format == "auto" else format
        reader = reader_of(name)
        _check_options(reader, name, options)
        source = options.get("source", _source(dataset, name))
        reader(dataset, os.fspath(one), images=folder, subset=subset,
               **{**options, "source": source})
    dataset.prepare()
    return dataset


def _source(dataset, name):
    """The format's name, numbered from the second set of it on."""
    used = {info["source"] for info in dataset.image_info}
    used.update(dataset.records)
    number = 1
    while (source := name if number == 1 else f"{name}-{number}") in used:
        number += 1
    return source


def _shapes(images, classes, subset, options):
    for key, value in (("images", images), ("classes", classes), ("subset", subset)):
        if value is not None:
            raise ValueError(f"{key}: expected None for the generated shapes, received {value!r}")
    dataset = ShapesDataset()
    options = {"count": 100, **options}
    _check_options(dataset.load_shapes, SHAPES, options)
    dataset.load_shapes(**options)
    dataset.prepare()
    return dataset


def _check_options(function, name, options):
    """A ValueError for an option that the reader of the format does not know."""
    known = [key for key in inspect.signature(function).parameters if key not in SET_BY_US]
    for key in options:
        if key not in known:
            near = get_close_matches(key, known, 1)
            raise ValueError(f"format {name!r}: expected some of the options {known}, received "
                             f"{key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
