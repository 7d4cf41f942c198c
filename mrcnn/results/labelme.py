"""Results as a labelme file, to correct by hand and train on."""

import json
import os
from pathlib import Path

from mrcnn._atomic import atomic_path, refuse_existing

VERSION = "5.4.1"  # of labelme, whose form of file this is


def document(polygons, labels, scores, image_shape, image_path=""):
    """The content of a labelme file.

    Args:
        polygons: one list an object of [K, (x, y)] arrays in pixels. Several polygons of one
            object share a group_id; an object without any is left out.
        labels: class name of each object.
        scores: confidence of each object, written as labelme's "score".
        image_shape: (H, W, ...).
        image_path: what stands under "imagePath".

    Returns:
        A dict that JSON can hold; the image itself is not in it ("imageData" is null).
    """
    shapes = []
    for number, (parts, label, score) in enumerate(zip(polygons, labels, scores, strict=True)):
        for points in parts:
            shapes.append({
                "label": label,
                "points": [[float(x), float(y)] for x, y in points],
                "group_id": number if len(parts) > 1 else None,
                "shape_type": "polygon",
                "flags": {},
                "score": round(float(score), 6),
            })
    return {"version": VERSION, "flags": {}, "shapes": shapes, "imagePath": str(image_path),
            "imageData": None, "imageHeight": int(image_shape[0]),
            "imageWidth": int(image_shape[1])}


def image_path_for(path, image_path):
    """What a labelme file at `path` calls its image: relative to the file, with slashes.

    Without `image_path`, the file's own name with .jpg: labelme and our reader look beside it.
    """
    if image_path is None:
        return Path(path).with_suffix(".jpg").name if path is not None else ""
    if path is None:
        return Path(image_path).as_posix()
    folder = os.path.dirname(os.path.abspath(path))
    try:
        return Path(os.path.relpath(os.path.abspath(image_path), folder)).as_posix()
    except ValueError:  # on Windows: another drive
        return Path(os.path.abspath(image_path)).as_posix()


def write_json(path, content, overwrite=False):
    """Writes JSON whole or not at all.

    Raises:
        FileExistsError: the file is there, and `overwrite` is False.
    """
    refuse_existing(path, overwrite)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
