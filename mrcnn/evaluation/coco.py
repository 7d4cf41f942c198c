"""The twelve COCO numbers, computed by pycocotools from arrays in memory.

Definitions: https://cocodataset.org/#detection-eval
"""

import contextlib
import io

import numpy as np

from mrcnn.evaluation.records import record_of

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
IOU_TYPES = ("segm", "bbox")


def check_iou_type(iou_type):
    """ValueError for anything but "segm" and "bbox"."""
    if iou_type not in IOU_TYPES:
        raise ValueError(f"iou_type: expected one of {IOU_TYPES}, received {iou_type!r}")


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
    check_iou_type(iou_type)
    ground_truth, results = list(ground_truth), list(results)
    if len(ground_truth) != len(results):
        raise ValueError(
            f"expected one result an image, received {len(results)} results "
            f"for {len(ground_truth)} images"
        )
    records = [record_of(truth, result, len(class_names), [iou_type], i,
                         image_id=i, coco_id=i, name=str(i))
               for i, (truth, result) in enumerate(zip(ground_truth, results, strict=True))]
    return twelve_numbers(judge_of(*indices(records, class_names, iou_type), iou_type))


def twelve_numbers(judge) -> dict[str, float]:
    """What `COCOeval.summarize` prints of a judge, by name."""
    with contextlib.redirect_stdout(io.StringIO()):
        judge.summarize()
    return {name: float(value) for name, value in zip(METRICS, judge.stats, strict=True)}


def judge_of(truth, found, iou_type, thresholds=None):
    """A COCOeval that has evaluated and accumulated.

    Args:
        truth, found: pycocotools' COCO, see `indices`.
        iou_type: "segm" or "bbox".
        thresholds: IoU thresholds in place of COCO's ten; then only objects of all sizes and
            100 detections an image are looked at, and there are no twelve numbers.
    """
    from pycocotools.cocoeval import COCOeval

    judge = COCOeval(truth, found, iou_type)
    if thresholds is not None:
        judge.params.iouThrs = np.array(sorted(thresholds))
        judge.params.areaRng, judge.params.areaRngLbl = judge.params.areaRng[:1], ["all"]
        judge.params.maxDets = judge.params.maxDets[-1:]
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
    return judge


def indices(records, class_names, iou_type):
    """(truth, detections) of ImageRecords as pycocotools' COCO."""
    categories = [{"id": i, "name": str(name)} for i, name in enumerate(class_names) if i]
    images = [{"id": record.coco_id, "height": record.size[0], "width": record.size[1]}
              for record in records]
    return tuple(
        _index(images, categories, [entry for record in records for entry in
                                    annotations(record.coco_id, getattr(record, side), iou_type)])
        for side in ("truth", "found"))


def _index(images, categories, entries):
    from pycocotools.coco import COCO

    for number, entry in enumerate(entries, start=1):  # pycocotools reads id 0 as "no match"
        entry["id"] = number
    coco = COCO()
    coco.dataset = {"images": images, "categories": categories, "annotations": entries}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def annotations(coco_id, objects, iou_type):
    """COCO's entries of the objects of one image, without ids.

    Small, medium and large go by the truth's own area. For detections it is the area of what is
    compared: of the mask for "segm", of the box for "bbox".
    """
    entries = []
    for i, box in enumerate(objects.boxes.tolist()):
        area = objects.areas[i]
        if objects.scores is not None and iou_type == "bbox":
            area = box[2] * box[3]
        entry = {"image_id": coco_id, "category_id": int(objects.class_ids[i]), "bbox": box,
                 "area": float(area), "iscrowd": int(objects.crowd[i])}
        if iou_type == "segm":
            entry["segmentation"] = objects.codes[i]
        if objects.scores is not None:
            entry["score"] = float(objects.scores[i])
        entries.append(entry)
    return entries
