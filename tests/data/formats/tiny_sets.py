"""A tiny sound set of each format, and a count of its objects that knows nothing of the readers."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import yaml
from PIL import Image

SIDE = 24
NAMES = ("a", "b", "c")


def squares(number):
    """(x, y, width, height) of the objects of an image."""
    return [(2 + number, 3, 8, 7), (12, 11 + number, 9, 8)][:2 if number else 1]


def corners(x, y, w, h):
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(path, compress_level=1)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def coco(folder):
    """COCO JSON with polygons, run lengths and a crowd."""
    images, annotations = [], []
    for number, name in enumerate(NAMES):
        image(folder / "val" / f"{name}.png", number)
        images.append({"id": number + 7, "file_name": f"{name}.png", "width": SIDE,
                       "height": SIDE})
        for x, y, w, h in squares(number):
            outline = [float(value) for point in corners(x, y, w, h) for value in point]
            annotations.append({"id": len(annotations) + 1, "image_id": number + 7,
                                "category_id": 3 + 2 * (number % 2), "iscrowd": 0,
                                "segmentation": [outline], "bbox": [x, y, w, h], "area": w * h})
    runs = {"size": [SIDE, SIDE], "counts": [30, 9, SIDE * SIDE - 39]}
    annotations.append({"id": 90, "image_id": 8, "category_id": 3, "iscrowd": 1,
                        "segmentation": runs, "bbox": [1, 6, 1, 9], "area": 9})
    categories = [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}]
    data = {"images": images, "annotations": annotations, "categories": categories}
    return [write(folder / "annotations" / "instances_val.json", data)]


def via_regions(number):
    rows = []
    for x, y, w, h in squares(number):
        points = corners(x, y, w, h)
        shape = {"name": "polygon", "all_points_x": [p[0] for p in points],
                 "all_points_y": [p[1] for p in points]}
        rows.append({"shape_attributes": shape, "region_attributes": {"type": "cat"}})
    rows.append({"shape_attributes": [
        {"name": "rect", "x": 1, "y": 14, "width": 6, "height": 5},
        {"name": "circle", "cx": 18, "cy": 5, "r": 4},
        {"name": "ellipse", "cx": 18, "cy": 5, "rx": 4, "ry": 3, "theta": 0.4}][number],
        "region_attributes": {"type": "dog"}})
    return rows


def via1(folder):
    """VIA 1: regions in a dict."""
    entries = {}
    for number, name in enumerate(NAMES):
        image(folder / f"{name}.png", number)
        regions = dict(zip("0123", via_regions(number), strict=False))
        entries[f"{name}.png{number}"] = {"filename": f"{name}.png", "size": number,
                                          "regions": regions, "file_attributes": {}}
    return [write(folder / "via_region_data.json", entries)]


def via2(folder):
    """A project of VIA 2: regions in a list."""
    entries = {}
    for number, name in enumerate(NAMES):
        image(folder / f"{name}.png", number)
        entries[f"{name}.png{number}"] = {"filename": f"{name}.png", "size": number,
                                          "regions": via_regions(number), "file_attributes": {}}
    data = {"_via_settings": {"core": {"default_filepath": ""}}, "_via_img_metadata": entries,
            "_via_attributes": {"region": {"type": {"type": "dropdown", "options": {
                "cat": "", "dog": ""}}}, "file": {}}, "_via_image_id_list": [*entries]}
    return [write(folder / "via_project.json", data)]


def labelme(folder):
    """One JSON an image."""
    files = []
    for number, name in enumerate(NAMES):
        image(folder / f"{name}.png", number)
        shapes = [{"label": "cat", "points": [[float(v) for v in p] for p in corners(*square)],
                   "group_id": None, "shape_type": "polygon", "flags": {}}
                  for square in squares(number)]
        shapes.append({"label": "dog", "points": [[2.0, 14.0], [9.0, 20.0]], "group_id": None,
                       "shape_type": "rectangle", "flags": {}})
        data = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png",
                "imageData": None, "imageHeight": SIDE, "imageWidth": SIDE}
        files.append(write(folder / f"{name}.json", data))
    return files


def yolo(folder):
    """data.yaml, images and label files."""
    files = [write(folder / "data.yaml", yaml.safe_dump(
        {"path": ".", "train": "images/train", "names": ["cat", "dog"]}))]
    for number, name in enumerate(NAMES):
        image(folder / "images" / "train" / f"{name}.png", number)
        lines = []
        for x, y, w, h in squares(number):
            values = [f"{v / SIDE:.6f}" for point in corners(x, y, w, h) for v in point]
            lines.append(" ".join([str(number % 2), *values]))
        files.append(write(folder / "labels" / "train" / f"{name}.txt", "\n".join(lines) + "\n"))
    return files


def voc(folder):
    """Lists, XML files, and label images for the first two images."""
    files = [write(folder / "ImageSets" / "Segmentation" / "train.txt", "\n".join(NAMES) + "\n")]
    for number, name in enumerate(NAMES):
        image(folder / "JPEGImages" / f"{name}.png", number)
        labels = np.zeros((SIDE, SIDE), np.uint8)
        objects = ""
        for place, (x, y, w, h) in enumerate(squares(number), 1):
            labels[y:y + h, x:x + w] = place
            objects += ("<object><name>cat</name><pose>Left</pose><truncated>0</truncated>"
                        f"<difficult>0</difficult><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
                        f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>\n")
        files.append(write(folder / "Annotations" / f"{name}.xml", (
            f"<annotation><folder>VOC</folder><filename>{name}.png</filename><size><width>{SIDE}"
            f"</width><height>{SIDE}</height><depth>3</depth></size><segmented>1</segmented>\n"
            f"{objects}</annotation>\n")))
        if number < 2:
            path = folder / "SegmentationObject" / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(labels).save(path)
            files.append(path)
    return files


def masks(folder):
    """A mask file an object for two images, a label image for the third."""
    files = []
    for number, name in enumerate(NAMES):
        image(folder / "images" / f"{name}.png", number)
        labels = np.zeros((SIDE, SIDE), np.uint8)
        for place, (x, y, w, h) in enumerate(squares(number), 1):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[y:y + h, x:x + w] = 255
            labels[y:y + h, x:x + w] = place
            files.append(folder / "masks" / name / f"{place}.png")
            if number < 2:
                files[-1].parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(files[-1])
            else:
                files.pop()
        if number == 2:
            files.append(folder / "masks" / f"{name}.png")
            Image.fromarray(labels).save(files[-1])
    return files


FORMATS = {"coco": coco, "via1": via1, "via2": via2, "labelme": labelme, "yolo": yolo, "voc": voc,
           "masks": masks}


# --- counting without the readers -----------------------------------------------------------

def listed(name, folder):
    """How many objects the files of a set list; None where plain parsing fails."""
    try:
        return COUNTS[name](folder)
    except Exception:
        return None


def loaded(path):
    return json.loads(path.read_text(encoding="utf-8"))


def count_coco(folder):
    return len(loaded(folder / "annotations" / "instances_val.json")["annotations"])


def count_via(folder):
    [file] = folder.glob("*.json")
    data = loaded(file)
    data = data.get("_via_img_metadata", data)
    return sum(len(entry["regions"]) for entry in data.values())


def count_labelme(folder):
    return sum(len(loaded(file)["shapes"]) for file in folder.glob("*.json"))


def count_yolo(folder):
    return sum(bool(line.strip()) for file in (folder / "labels" / "train").glob("*.txt")
               for line in file.read_text(encoding="utf-8").splitlines())


def count_voc(folder):
    names = (folder / "ImageSets" / "Segmentation" / "train.txt").read_text().split()
    return sum(len(ElementTree.parse(Path(folder, "Annotations", f"{name}.xml")).findall("object"))
               for name in names)


def count_masks(folder):
    """Files of their own count each, label images each of their values."""
    own = len(list((folder / "masks").glob("*/*")))
    values = [np.array(Image.open(file)) for file in (folder / "masks").glob("*.png")]
    return own + sum(len(set(np.unique(one).tolist()) - {0}) for one in values)


COUNTS = {"coco": count_coco, "via1": count_via, "via2": count_via, "labelme": count_labelme,
          "yolo": count_yolo, "voc": count_voc, "masks": count_masks}
