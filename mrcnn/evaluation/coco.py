"""The twelve COCO numbers, computed by pycocotools from arrays in memory.

Definitions: https://cocodataset.org/#detection-eval
"""

import contextlib
import io

import numpy as np

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
IOU_TYPES = ("segm", "bbox")


def _encode(masks: np.ndarray) -> list[dict]:
    """Run-length codes of [H, W, N] masks."""
    from pycocotools import mask as rle

    return rle.encode(np.asfortranarray(masks.astype(np.uint8)))


def _checked(side: str, index: int, item: dict, keys, class_count: int) -> dict:
    """Answers the parts of one image as arrays, after checking that they fit together."""
    missing = [key for key in keys if key not in item]
    if missing:
        raise ValueError(f"{side}, image {index}: expected keys {keys}, received {sorted(item)}")
    parts = {key: np.asarray(item[key]) for key in keys}
    parts["rois"] = parts["rois"].reshape(-1, 4)
    counts = {k: v.shape[-1] if k == "masks" else len(v) for k, v in parts.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"{side}, image {index}: expected as many of each, received {counts}")
    ids = np.abs(parts["class_ids"])
    if ids.size and (ids.min() < 1 or ids.max() >= class_count):
        raise ValueError(
            f"{side}, image {index}: expected class ids 1 to {class_count - 1}, "
            f"received {sorted(set(ids.tolist()))}"
        )
    return parts


def _annotations(image_id: int, parts: dict) -> list[dict]:
    """COCO annotations of one image, without ids; the area is that of the mask."""
    records = []
    codes = _encode(parts["masks"]) if "masks" in parts else None
    areas = parts["masks"].sum(axis=(0, 1)) if "masks" in parts else None
    for i, (y1, x1, y2, x2) in enumerate(parts["rois"].tolist()):
        record = {
            "image_id": image_id,
            "category_id": int(abs(parts["class_ids"][i])),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": float((x2 - x1) * (y2 - y1)) if areas is None else float(areas[i]),
            "iscrowd": 0,
        }
        if codes is not None:
            record["segmentation"] = codes[i]
        if "scores" in parts:
            record["score"] = float(parts["scores"][i])
        elif parts["class_ids"][i] < 0 or ("crowd" in parts and parts["crowd"][i]):
            record["iscrowd"] = 1
        records.append(record)
    return records


def _image_record(image_id: int, item: dict) -> dict:
    height, width = np.shape(item["masks"])[:2] if "masks" in item else (0, 0)
    return {"id": image_id, "height": int(height), "width": int(width)}


def _index(side: str, images: list[dict], class_names, keys, with_masks):
    """A pycocotools COCO object over one list of images."""
    from pycocotools.coco import COCO

    annotations = []
    for image_id, item in enumerate(images):
        wanted = [*keys, *(["masks"] if with_masks(item) else [])]
        if side == "ground_truth" and item.get("crowd") is not None:
            wanted.append("crowd")
        parts = _checked(side, image_id, item, wanted, len(class_names))
        annotations += _annotations(image_id, parts)
    for number, record in enumerate(annotations, start=1):  # pycocotools reads id 0 as "no match"
        record["id"] = number
    coco = COCO()
    coco.dataset = {
        "images": [_image_record(i, item) for i, item in enumerate(images)],
        "categories": [{"id": i, "name": str(n)} for i, n in enumerate(class_names) if i],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _check_sizes(ground_truth, results):
    if len(ground_truth) != len(results):
        raise ValueError(
            f"expected one result an image, received {len(results)} results "
            f"for {len(ground_truth)} images"
        )
    for i, (truth, result) in enumerate(zip(ground_truth, results, strict=True)):
        if "masks" in truth and "masks" in result:
            sizes = np.shape(truth["masks"])[:2], np.shape(result["masks"])[:2]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f"image {i}: expected masks of the ground truth's size {sizes[0]}, "
                    f"received {sizes[1]}"
                )


def coco_evaluate(ground_truth, results, class_names, iou_type="segm") -> dict[str, float]:
    """Evaluates detections as the COCO challenge does.

    Args:
        ground_truth: one dict an image: "masks" [H, W, G], "class_ids" [G], "rois" [G, 4] pixels
            and, if wanted, "crowd" [G] flags. A negative class id marks a crowd too. Masks may
            be left out for `iou_type="bbox"`; small, medium and large go by box area then.
        results: one dict an image as `detect` answers it: "rois", "class_ids", "scores", "masks".
            Images may differ in size, and there may be no detection at all.
        class_names: names by class id, the background first.
        iou_type: "segm" compares masks, "bbox" boxes.

    Returns:
        AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl as floats; -1 where there
        is no ground truth to measure.

    Raises:
        ValueError: the lists do not fit together, a class id is out of range, masks of one image
            differ in size, or `iou_type` is unknown.
    """
    from pycocotools.cocoeval import COCOeval

    if iou_type not in IOU_TYPES:
        raise ValueError(f"iou_type: expected one of {IOU_TYPES}, received {iou_type!r}")
    ground_truth, results = list(ground_truth), list(results)
    _check_sizes(ground_truth, results)
    segm = iou_type == "segm"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _index("ground_truth", ground_truth, class_names, ["rois", "class_ids"],
                       lambda item: segm or "masks" in item)
        found = _index("results", results, class_names, ["rois", "class_ids", "scores"],
                       lambda item: segm)
        evaluation = COCOeval(truth, found, iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(value) for name, value in zip(METRICS, evaluation.stats, strict=True)}
