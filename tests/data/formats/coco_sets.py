"""A small COCO set that tests write, and damage."""

import copy
import json

from PIL import Image

SQUARE = [2, 2, 8, 2, 8, 8, 2, 8]
TREE = {
    "info": {"year": 2017, "description": "made up"},
    "licenses": [{"id": 3, "name": "free", "url": "http://x"}],
    "images": [
        {"id": 7, "file_name": "a.png", "width": 20, "height": 16, "license": 3, "coco_url": "u"},
        {"id": 9, "file_name": "b.png", "width": 12, "height": 10, "date_captured": "now"},
        {"id": 4, "file_name": "c.png", "width": 12, "height": 10},
    ],
    "categories": [
        {"id": 18, "name": "dog", "supercategory": "animal"},
        {"id": 3, "name": "car", "supercategory": "vehicle"},
        {"id": 90, "name": "brush"},
    ],
    "annotations": [
        {"id": 101, "image_id": 7, "category_id": 18, "iscrowd": 0, "area": 36.0,
         "bbox": [2, 2, 6, 6], "segmentation": [SQUARE]},
        {"id": 55, "image_id": 9, "category_id": 3, "iscrowd": 1, "area": 20,
         "bbox": [1, 0, 2, 10],
         "segmentation": {"size": [10, 12], "counts": [10, 20, 90]}},
        {"id": 102, "image_id": 7, "category_id": 3, "iscrowd": 0, "area": 50.5,
         "bbox": [1, 1, 15, 12], "score": 0.5,
         "segmentation": [[1, 1, 6.5, 1, 4, 5], [10.25, 6, 16, 6, 16, 13, 10, 13]]},
        {"id": 103, "image_id": 9, "category_id": 18, "iscrowd": 0, "area": 10,
         "bbox": [3, 0, 1, 10], "segmentation": {"size": [10, 12], "counts": "n0:`2"}},
    ],
}


def tree():
    """A copy of TREE that may be changed."""
    return copy.deepcopy(TREE)


def write(folder, content=None, name="annotations/instances_made.json", images="made"):
    """Writes images and annotations; answers the annotation file."""
    content = tree() if content is None else content
    for info in TREE["images"]:
        path = folder / images / info["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Image.new("RGB", (info["width"], info["height"])).save(path)
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file
