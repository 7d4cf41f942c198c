"""Evaluation: everything that was measured, for people, for JSON and for further questions."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mrcnn._atomic import atomic_path, refuse_existing
from mrcnn.evaluation import confusion, text, voc
from mrcnn.evaluation.coco import annotations


@dataclass(repr=False)
class Evaluation:
    """What `Evaluator.finish` answers. -1 stands for what is undefined, as for a class without
    objects.

    Attributes:
        class_names: names by class id, the background first.
        iou_types: what was compared, "bbox" and "segm".
        kind: the one that confusion, rates and rows of images go by: "segm" where it is there.
        confidence, iou: the least score and IoU that these take.
        bbox, segm: dict of the twelve COCO numbers ("AP", "AP50", ...), or None.
        ap_at: "bbox" or "segm" -> {IoU threshold: AP}.
        voc: for a Pascal VOC set with label images, IoU 0.5 and 0.7 -> what `voc_ap` answers of
            masks; None for others.
        per_class: a dict for each class: "class_id", "name", "objects", "crowds", "detections"
            that count, "precision", "recall", "f1"; and under "bbox" and "segm" a dict of "AP",
            "AP50", "AP75", "AR".
        overall: "precision", "recall" and "f1" of all classes together.
        confusion: [C, C] int; rows are the truth, columns what was detected, 0 stands for
            nothing. See `mrcnn.evaluation.confusion` for the rule.
        curves: "bbox" or "segm" -> dict, see `rates.recall_curves`.
        by_confidence: dict, see `rates.confidence_curve`.
        images: a dict an image, see `confusion.image_row`.
        category_ids: class id -> id in COCO files.
        details: what was evaluated and with what, JSON only.
        records: ImageRecord of every image.
    """

    class_names: list
    iou_types: tuple
    kind: str
    confidence: float
    iou: float
    bbox: dict | None
    segm: dict | None
    ap_at: dict
    per_class: list
    overall: dict
    confusion: np.ndarray
    curves: dict
    by_confidence: dict
    images: list
    category_ids: dict
    details: dict = field(default_factory=dict)
    records: list = field(default_factory=list)
    voc: dict | None = None

    def __getitem__(self, key):
        """`evaluation["segm"]["AP"]`; KeyError for what was not compared."""
        if key not in self.iou_types:
            raise KeyError(f"{key!r} was not evaluated; there is {', '.join(self.iou_types)}")
        return getattr(self, key)

    @property
    def worst(self):
        """Ids of the images with missed, false or misnamed objects, most of them first."""
        return [row["image_id"] for row in confusion.worst_first(self.images)]

    @property
    def best(self):
        """Ids of the images with objects and without a mistake, most objects first."""
        return [row["image_id"] for row in confusion.best_first(self.images)]

    def outcome(self, record):
        """The `confusion.Outcome` of one of `records`, at `confidence` and `iou`."""
        return confusion.outcome_of(record, self.kind, self.confidence, self.iou)

    def confusion_at(self, confidence, iou=0.5, kind=None):
        """A confusion matrix at another confidence, iou, or kind ("bbox", "segm"): [C, C] int.

        Detections below the `min_confidence` of the evaluation are not there to be counted.
        """
        matrix = np.zeros((len(self.class_names),) * 2, np.int64)
        for record in self.records:
            confusion.add_to_matrix(matrix, record, confusion.outcome_of(
                record, kind or self.kind, confidence, iou))
        return matrix

    def voc_ap(self, iou=0.5, kind=None):
        """Pascal VOC's average precision, of any data set; see `mrcnn.evaluation.voc`.

        Args:
            iou: least IoU of a right detection, above 0.
            kind: "segm" or "bbox"; None for the one of this evaluation.

        Returns:
            dict: "mAP", the mean over the classes that have objects, and "classes", name -> AP;
            -1 without objects.
        """
        kind = kind or self.kind
        if kind not in self.iou_types:
            raise ValueError(f"kind: expected one of {self.iou_types}, received {kind!r}")
        if not 0 < iou <= 1:
            raise ValueError(f"iou: expected a number above 0, up to 1, received {iou!r}")
        return voc.mean_and_classes(self.records, self.class_names, iou, kind)

    # --- for people --------------------------------------------------------------------------
    def tables(self):
        """[text.Table]: numbers, classes and confusions."""
        return text.tables_of(self)

    def __str__(self):
        parts = [text.headline(self), *(table.plain() for table in self.tables())]
        return "\n\n".join(parts)

    def __repr__(self):
        return str(self)  # in a notebook the tables are wanted

    # --- files -------------------------------------------------------------------------------
    def as_dict(self):
        """Everything but the records in plain types, ready for JSON."""
        return {
            **self.details,
            "classes": self.class_names[1:],
            "confidence": self.confidence, "iou": self.iou, "compared_by": self.kind,
            **{kind: self[kind] for kind in self.iou_types},
            "ap_at": {kind: {f"{iou:g}": value for iou, value in row.items()}
                      for kind, row in self.ap_at.items()},
            **({} if self.voc is None else {"voc": {f"{iou:g}": row
                                                    for iou, row in self.voc.items()}}),
            "overall": self.overall,
            "per_class": self.per_class,
            "confusion": {"names": ["", *self.class_names[1:]],
                          "matrix": self.confusion.tolist()},
            "curves": {kind: {
                "recall": curve["recall"],
                "overall": {f"{iou:g}": values for iou, values in curve["overall"].items()},
                "classes": {str(i): values for i, values in curve["classes"].items()},
            } for kind, curve in self.curves.items()},
            "by_confidence": self.by_confidence,
            "worst": self.worst,
            "images": self.images,
        }

    def save_json(self, path, overwrite=False):
        """Writes `as_dict()`.

        Raises:
            FileExistsError: the file is there and `overwrite` is False.
        """
        with new_file(path, overwrite) as file:
            json.dump(self.as_dict(), file, indent=1)
            file.write("\n")

    def save_detections(self, path, kind=None, overwrite=False):
        """Writes the detections in COCO's results format, one a line.

        pycocotools takes it as it is: with what `save_coco` writes of the data set, `loadRes`
        and COCOeval give the same twelve numbers. For "segm" that asks for entries without a
        box, because `loadRes` would measure masks by the size of their boxes.

        Args:
            path: the JSON file.
            kind: "bbox" writes boxes, "segm" masks; None the one of this evaluation.
            overwrite: replace a file that is there.

        Raises:
            FileExistsError: the file is there and `overwrite` is False.
            ValueError: masks are asked for where only boxes were evaluated.
        """
        kind = kind or self.kind
        if kind not in self.iou_types:
            raise ValueError(f"kind: expected one of {self.iou_types}, received {kind!r}")
        with new_file(path, overwrite) as file:
            file.write("[")
            for number, entry in enumerate(self._detections(kind)):
                file.write((",\n" if number else "\n") + json.dumps(entry))
            file.write("\n]\n")

    def _detections(self, kind):
        for record in self.records:
            for entry in annotations(record.coco_id, record.found, kind):
                row = {"image_id": record.coco_id,
                       "category_id": self.category_ids[entry["category_id"]],
                       "score": entry["score"]}
                if kind == "bbox":
                    yield {**row, "bbox": entry["bbox"]}
                else:
                    code = entry["segmentation"]
                    yield {**row, "segmentation": {**code, "counts": code["counts"].decode()}}


@contextmanager
def new_file(path, overwrite):
    """A text file to write, whole under its name or not at all.

    Raises:
        FileExistsError: it is there and `overwrite` is False.
    """
    refuse_existing(path, overwrite)
    with atomic_path(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        yield file
