"""Evaluator: takes truth and detections image by image, and measures them at the end."""

import numpy as np

from mrcnn.evaluation import coco, confusion, rates, voc
from mrcnn.evaluation.evaluation import Evaluation
from mrcnn.evaluation.records import record_of


class Evaluator:
    """Accumulates images; masks are kept as run lengths, so memory stays small.

        evaluator = Evaluator(dataset.class_names)
        for ...:
            evaluator.add(truth, result)
        print(evaluator.finish())

    Args:
        class_names: names by class id, the background first.
        iou_types: what to compare: "bbox", "segm" or both.
        iou_thresholds: further IoU thresholds to give the AP at, above 0 and up to 1.
        confidence: least score of a detection for confusion, precision and recall.
        iou: least IoU for these.

    Raises:
        ValueError: an unknown kind, or a number out of range.
    """

    def __init__(self, class_names, iou_types=("bbox", "segm"), iou_thresholds=(0.5, 0.75),
                 confidence=0.5, iou=0.5):
        self.class_names = [str(name) for name in class_names]
        self.iou_types = (iou_types,) if isinstance(iou_types, str) else tuple(iou_types)
        if not self.iou_types or not self.class_names:
            raise ValueError(f"expected class names and something to compare, received "
                             f"{self.class_names} and {self.iou_types}")
        for kind in self.iou_types:
            coco.check_iou_type(kind)
        self.iou_thresholds = tuple(float(value) for value in iou_thresholds)
        for value in (*self.iou_thresholds, iou):
            if not 0 < value <= 1:
                raise ValueError(f"IoU: expected thresholds above 0 and up to 1, received {value}")
        if not 0 <= confidence <= 1:
            raise ValueError(f"confidence: expected a number from 0 to 1, received {confidence}")
        self.confidence, self.iou = float(confidence), float(iou)
        self.records = []

    def add(self, truth, result, image_id=None, coco_id=None, name=None):
        """Adds an image.

        Args:
            truth: dict: "rois" [G, (y1, x1, y2, x2)] pixels, "class_ids" [G], negative for a
                crowd, "masks" [H, W, G] or COCO's run lengths (under "masks" or "rles"); masks
                may be left out where only boxes are compared. Where given, "crowd" [G] flags,
                "areas" [G] pixels for small, medium and large in place of the masks',
                "bboxes" [G, (x, y, width, height)] in place of "rois", and "void", a mask [H, W]
                or its run lengths, see `mrcnn.evaluation.voc`.
            result: dict as `detect` answers it: "rois", "class_ids", "scores" [N] and "masks",
                arrays, lazy or run lengths.
            image_id: how the caller knows it; None counts from 0.
            coco_id: its number in COCO files; None for `image_id`.
            name: how people call it; None for the id.

        Raises:
            ValueError: they do not fit together, or a class id is out of range; the message
                says which.
        """
        image_id = len(self.records) if image_id is None else image_id
        self.records.append(record_of(
            truth, result, len(self.class_names), self.iou_types, image_id, image_id=image_id,
            coco_id=image_id if coco_id is None else coco_id,
            name=str(image_id) if name is None else str(name)))

    def finish(self, kind=Evaluation, category_ids=None, details=None):
        """Measures what was added.

        Args:
            kind: Evaluation or a subclass.
            category_ids: class id -> id in COCO files; None for the class ids.
            details: what was evaluated and with what, JSON only.

        Returns:
            Evaluation.
        """
        numbers, ap_at, curves, by_class = {}, {}, {}, {}
        for iou_type in self.iou_types:
            index = coco.indices(self.records, self.class_names, iou_type)
            judge = coco.judge_of(*index, iou_type)
            numbers[iou_type] = coco.twelve_numbers(judge)
            ap_at[iou_type] = self._ap_at(judge, index, iou_type)
            curves[iou_type] = rates.recall_curves(judge, self.class_names)
            by_class[iou_type] = rates.class_numbers(judge, len(self.class_names))
        main = "segm" if "segm" in self.iou_types else self.iou_types[0]
        matrix, images = self._confusion(main)
        right = int(np.trace(matrix))
        return kind(
            class_names=self.class_names, iou_types=self.iou_types, kind=main,
            confidence=self.confidence, iou=self.iou, bbox=numbers.get("bbox"),
            segm=numbers.get("segm"), ap_at=ap_at,
            per_class=self._per_class(matrix, by_class), confusion=matrix,
            overall=rates.rates(right, int(matrix[:, 1:].sum()) - right,
                                int(matrix[1:].sum()) - right),
            curves=curves, images=images, records=self.records,
            by_confidence=rates.confidence_curve(self.records, main, self.iou),
            category_ids=category_ids or {i: i for i in range(1, len(self.class_names))},
            details=details or {}, voc=self._voc(main))

    def _voc(self, kind):
        """VOC's numbers where an image has a "void", else None."""
        if kind != "segm" or all(record.void is None for record in self.records):
            return None
        return {iou: voc.mean_and_classes(self.records, self.class_names, iou, kind)
                for iou in voc.THRESHOLDS}

    def _ap_at(self, judge, index, iou_type):
        """{IoU threshold: AP}; thresholds that are not COCO's are judged anew."""
        others = [value for value in self.iou_thresholds
                  if rates.row_of_threshold(judge, value) is None]
        anew = coco.judge_of(*index, iou_type, others) if others else None
        return {value: rates.mean_or_undefined(rates.precision_of(
            anew if value in others else judge, value)) for value in self.iou_thresholds}

    def _confusion(self, kind):
        """(matrix [C, C] int64, a row of numbers an image)."""
        matrix, rows = np.zeros((len(self.class_names),) * 2, np.int64), []
        for record in self.records:
            outcome = confusion.outcome_of(record, kind, self.confidence, self.iou)
            confusion.add_to_matrix(matrix, record, outcome)
            rows.append(confusion.image_row(record, outcome, kind))
        return matrix, rows

    def _per_class(self, matrix, by_class):
        crowds = np.zeros(len(self.class_names), np.int64)
        for record in self.records:
            np.add.at(crowds, record.truth.class_ids[record.truth.crowd], 1)
        return [{"class_id": i, "name": self.class_names[i], "objects": int(matrix[i].sum()),
                 "crowds": int(crowds[i]), "detections": int(matrix[:, i].sum()),
                 **rates.class_rates(matrix, i),
                 **{kind: rows[i - 1] for kind, rows in by_class.items()}}
                for i in range(1, len(self.class_names))]
