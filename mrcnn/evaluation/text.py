"""An Evaluation as tables of text, for a terminal, a log or a page."""

from dataclasses import dataclass

from mrcnn._text import counted
from mrcnn.evaluation.coco import METRICS

KINDS = {"bbox": "boxes", "segm": "masks"}
NOTES = {"AP": "at IoU 0.50 to 0.95", "AP50": "at IoU 0.50", "AP75": "at IoU 0.75",
         "APs": "small objects", "APm": "medium", "APl": "large", "AR1": "recall, 1 an image",
         "AR10": "10 an image", "AR100": "100 an image", "ARs": "small", "ARm": "medium",
         "ARl": "large"}
NOTHING = "(nothing)"
MOST_COLUMNS = 13  # a wider confusion matrix is told as a list
MOST_CONFUSIONS = 20


@dataclass
class Table:
    """Rows of texts under a title; columns are numbers but for the first and those unnamed."""

    title: str
    header: list
    rows: list
    note: str = ""

    def is_number(self, place):
        """True for a column of numbers."""
        return place > 0 and self.header[place] != ""

    def width(self):
        """Letters of a line of the aligned rows."""
        return 2 + sum(self._widths()) + 2 * len(self.header)

    def _widths(self):
        return [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]

    def plain(self):
        """Aligned text."""
        lines, widths = [self.header, *self.rows], self._widths()
        body = ["  ".join(cell.rjust(width) if self.is_number(place) else cell.ljust(width)
                          for place, (cell, width) in enumerate(zip(row, widths, strict=True))
                          ).rstrip() for row in lines]
        return "\n".join([self.title, *("  " + line for line in body),
                          *([f"  {self.note}"] if self.note else [])])


def shown(value, digits=3):
    """A number as people read it; "-" for -1, which stands for undefined."""
    return "-" if value is None or value < 0 else f"{value:.{digits}f}"


def printable(name):
    """A class name as it may go to a terminal: no control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def headline(evaluation):
    """How much was looked at, and the numbers people ask for first."""
    rows = evaluation.per_class
    count = {key: sum(row[key] for row in rows) for key in ("objects", "crowds", "detections")}
    crowds = f", {counted(count['crowds'], 'crowd')}" if count["crowds"] else ""
    every = sum(len(record.found) for record in evaluation.records)
    doubtful = f", {every} with the doubtful ones" if every > count["detections"] else ""
    return (f"{counted(len(evaluation.images), 'image')}, {counted(count['objects'], 'object')}"
            f"{crowds}; {counted(count['detections'], 'detection')} of confidence "
            f"{evaluation.confidence:g} or more{doubtful}")


def tables_of(evaluation):
    """[Table]: COCO's numbers, the classes, the confusions."""
    more = [voc_table(evaluation)] if evaluation.voc else []
    return [coco_table(evaluation), *more, class_table(evaluation), confusion_table(evaluation)]


def coco_table(evaluation):
    """The twelve numbers, and AP at the chosen thresholds."""
    more = [iou for iou in next(iter(evaluation.ap_at.values()), {})
            if iou not in (0.5, 0.75)]
    kinds = evaluation.iou_types
    rows = [[name, *(shown(evaluation[kind][name]) for kind in kinds), NOTES[name]]
            for name in METRICS]
    rows += [[f"AP@{iou:g}", *(shown(evaluation.ap_at[kind][iou]) for kind in kinds),
              f"at IoU {iou:g}"] for iou in more]
    return Table("COCO numbers", ["", *(KINDS[kind] for kind in kinds), ""], rows)


def voc_table(evaluation):
    """Pascal VOC's AP of masks: a row for each class that has objects, and their mean."""
    thresholds = sorted(evaluation.voc)
    rows = [["mean", *(shown(evaluation.voc[iou]["mAP"]) for iou in thresholds)]]
    for name in evaluation.class_names[1:]:
        values = [evaluation.voc[iou]["classes"][name] for iou in thresholds]
        if values[0] >= 0:
            rows.append([printable(name), *map(shown, values)])
    return Table("Pascal VOC, AP of masks", ["", *(f"IoU {iou:g}" for iou in thresholds)], rows,
                 "area under the curve; pixels that are void count for nothing")


def class_table(evaluation):
    """A row for each class, and one for all of them."""
    main, names = evaluation.kind, ("AP", "AP50", "AP75", "AR")
    others = [kind for kind in evaluation.iou_types if kind != main]
    rates = ("precision", "recall", "f1")
    rows = [[printable(row["name"]), str(row["objects"]), str(row["detections"]),
             *(shown(row[main][name]) for name in names),
             *(shown(row[kind]["AP"]) for kind in others), *(shown(row[name]) for name in rates)]
            for row in evaluation.per_class]
    whole = [str(sum(row[key] for row in evaluation.per_class))
             for key in ("objects", "detections")]
    rows.append(["all", *whole, *(shown(evaluation[main][name])
                                  for name in ("AP", "AP50", "AP75", "AR100")),
                 *(shown(evaluation[kind]["AP"]) for kind in others),
                 *(shown(evaluation.overall[name]) for name in rates)])
    header = ["class", "objects", "detected", *names, *(f"{KINDS[kind]} AP" for kind in others),
              "precision", "recall", "F1"]
    return Table(f"Classes, by their {KINDS[main]}", header, rows,
                 f"detected (right or not), precision, recall and F1: at confidence "
                 f"{evaluation.confidence:g} and IoU {evaluation.iou:g}")


def confusion_table(evaluation):
    """The confusion matrix, or for many classes the most frequent confusions."""
    names = [NOTHING, *map(printable, evaluation.class_names[1:])]
    title = (f"Confusion at confidence {evaluation.confidence:g} and "
             f"{KINDS[evaluation.kind][:-1]} IoU {evaluation.iou:g}")
    if len(names) <= MOST_COLUMNS:
        order = [*range(1, len(names)), 0]
        rows = [[names[i], *(str(evaluation.confusion[i, j]) if i or j else "" for j in order)]
                for i in order]
        return Table(f"{title}: rows are the truth, columns what was detected",
                     ["", *(names[j] for j in order)], rows)
    rows = [[_said(names, i, j), str(count)]
            for i, j, count in confusions(evaluation.confusion)[:MOST_CONFUSIONS]]
    return Table(f"{title}: the most frequent", ["", "times"], rows)


def _said(names, i, j):
    if not j:
        return f"{names[i]} missed"
    return f"{names[i]} taken for {names[j]}" if i else f"false {names[j]}"


def confusions(matrix):
    """[(true class, detected class, count)] off the diagonal, most frequent first."""
    found = [(i, j, int(matrix[i, j])) for i in range(len(matrix)) for j in range(len(matrix))
             if i != j and matrix[i, j]]
    return sorted(found, key=lambda row: -row[2])
