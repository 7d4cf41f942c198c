"""What an evaluation keeps of an image: its objects and detections, masks as run lengths.

A mask of 1024 x 1024 pixels takes a megabyte, its run lengths some hundred bytes, so the records
of a whole data set fit into memory.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Objects:
    """The objects of one image, or what was detected in it.

    Attributes:
        class_ids: [N] int, 1 upwards.
        boxes: [N, (x, y, width, height)] float64 pixels, as COCO writes them.
        codes: N dicts of COCO's compressed run lengths ("size", "counts" bytes); None where
            boxes are all there is.
        areas: [N] float64 pixels: of the mask where there is one, else of the box.
        scores: [N] float64 confidences; None for the truth.
        crowd: [N] bool, objects that stand for many at once.
    """

    class_ids: np.ndarray
    boxes: np.ndarray
    codes: list | None
    areas: np.ndarray
    scores: np.ndarray | None
    crowd: np.ndarray

    def __len__(self):
        return len(self.class_ids)

    def pixel_boxes(self):
        """[N, (y1, x1, y2, x2)] float64 pixels."""
        x, y, width, height = self.boxes.T
        return np.stack([y, x, y + height, x + width], axis=1)


@dataclass
class ImageRecord:
    """One image of an evaluation.

    Attributes:
        image_id: its id for the caller.
        coco_id: its id in COCO files.
        name: what people call it.
        size: (height, width) in pixels; (0, 0) where no mask says it.
        truth, found: Objects.
        overlaps: "bbox" or "segm" -> [D, G] float64 IoU of detections and objects; for a crowd
            the share of the detection that it covers.
        void: run lengths of the pixels that count for nothing, see `voc`; None where the data
            set marks none.
    """

    image_id: int
    coco_id: int
    name: str
    size: tuple
    truth: Objects
    found: Objects
    overlaps: dict
    void: dict | None = None


def encoded(masks):
    """Run lengths of [H, W, N] masks, one mask at a time: list of COCO's RLE dicts."""
    from pycocotools import mask as rle

    return [rle.encode(np.asfortranarray(masks[:, :, i], np.uint8))
            for i in range(masks.shape[2])]


def record_of(truth, result, class_count, kinds, place, **names):
    """An ImageRecord of a truth and a result, after checking that they fit together.

    Args:
        truth: see `Evaluator.add`.
        result: see `Evaluator.add`.
        class_count: number of classes, with the background.
        kinds: "bbox" and "segm", what will be compared.
        place: number of the image, for messages.
        **names: image_id, coco_id and name of the record.

    Raises:
        ValueError: something is missing, of another length or out of range; or the masks of
            truth and result differ in size.
    """
    segm = "segm" in kinds
    objects, size = _objects("ground_truth", place, truth, class_count, segm or _has_masks(truth))
    found, other = _objects("results", place, result, class_count, segm)
    if size and other and size != other:
        raise ValueError(f"image {place}: expected masks of the ground truth's size {size}, "
                         f"received {other}")
    overlaps = {kind: _overlaps(found, objects, kind) for kind in kinds}
    size = size or other or (0, 0)
    return ImageRecord(size=size, truth=objects, found=found, overlaps=overlaps,
                       void=_void_of(truth, size, place) if segm else None, **names)


def _void_of(truth, size, place):
    """Run lengths of the truth's "void", None where it has none."""
    void = truth.get("void")
    if void is None:
        return None
    if not isinstance(void, dict):
        void = encoded(np.asarray(void)[:, :, None] != 0)[0]
    void = {"size": [int(side) for side in void["size"]], "counts": _as_bytes(void["counts"])}
    if size != (0, 0) and tuple(void["size"]) != size:
        raise ValueError(f"ground_truth, image {place}: expected a void of the masks' size {size}, "
                         f"received {tuple(void['size'])}")
    return void


def _has_masks(item):
    return "masks" in item or "rles" in item


def _objects(side, place, item, class_count, with_masks):
    """(Objects, (height, width) or None) of one side of an image."""
    keys = ["rois", "class_ids"] + (["scores"] if side == "results" else [])
    keys += ["rles" if "rles" in item else "masks"] if with_masks else []
    missing = [key for key in keys if key not in item]
    if missing:
        raise ValueError(f"{side}, image {place}: expected keys {keys}, received {sorted(item)}")
    codes, size = _codes_of(item) if with_masks else (None, None)
    parts = {key: item[key] for key in keys if key not in ("masks", "rles")}
    for key in ("crowd", "areas", "bboxes"):
        if item.get(key) is not None and side == "ground_truth":
            parts[key] = item[key]
    parts = {key: np.asarray(value) for key, value in parts.items()}
    parts["rois"] = parts["rois"].reshape(-1, 4)
    _check_counts(side, place, parts, codes)
    ids = np.abs(parts["class_ids"]).astype(np.int64)
    if ids.size and (ids.min() < 1 or ids.max() >= class_count):
        raise ValueError(f"{side}, image {place}: expected class ids 1 to {class_count - 1}, "
                         f"received {sorted(set(ids.tolist()))}")
    return _made(ids, parts, codes), size


def _check_counts(side, place, parts, codes):
    counts = {key: len(value) for key, value in parts.items()}
    if codes is not None:
        counts["masks"] = len(codes)
    if len(set(counts.values())) > 1:
        raise ValueError(f"{side}, image {place}: expected as many of each, received {counts}")


def _made(ids, parts, codes):
    from pycocotools import mask as rle

    y1, x1, y2, x2 = parts["rois"].astype(np.float64).T
    boxes = np.stack([x1, y1, x2 - x1, y2 - y1], axis=1)
    if "bboxes" in parts:
        boxes = parts["bboxes"].astype(np.float64).reshape(-1, 4)
    if "areas" in parts:
        areas = parts["areas"].astype(np.float64)
    elif codes is None:
        areas = boxes[:, 2] * boxes[:, 3]
    else:
        areas = rle.area(codes).astype(np.float64) if codes else np.zeros(0)
    scores = parts["scores"].astype(np.float64) if "scores" in parts else None
    crowd = np.zeros(len(ids), bool)
    if scores is None:
        crowd = (parts["class_ids"] < 0) | parts.get("crowd", crowd).astype(bool)
    return Objects(ids, boxes, codes, areas, scores, crowd)


def _codes_of(item):
    """(run lengths of an item's masks, (height, width) or None where there is nothing to tell)."""
    codes, size = item.get("rles"), None
    if codes is None:
        masks = item["masks"]
        codes = masks if isinstance(masks, (list, tuple)) else getattr(masks, "rles", None)
        if codes is None:
            masks = np.asarray(masks)
            codes = encoded(masks)
        if not isinstance(masks, (list, tuple)):
            size = tuple(int(side) for side in masks.shape[:2])
    codes = [{"size": [int(side) for side in code["size"]], "counts": _as_bytes(code["counts"])}
             for code in codes]
    if codes:
        size = tuple(codes[0]["size"])
    return codes, size


def _as_bytes(counts):
    return counts.encode("ascii") if isinstance(counts, str) else counts


def _overlaps(found, truth, kind):
    """[D, G] float64, as pycocotools computes it."""
    from pycocotools import mask as rle

    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    crowd = [int(one) for one in truth.crowd]
    if kind == "segm":
        return np.asarray(rle.iou(found.codes, truth.codes, crowd))
    return np.asarray(rle.iou(found.boxes, truth.boxes, crowd))
