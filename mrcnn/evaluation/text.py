"""An Evaluation as tables of text, for a terminal, a log or a page."""

from dataclasses import dataclass

from mrcnn.evaluation.coco import METRICS

KINDS = {"bbox": "boxes", "segm": "masks"}
NOTHING = "(nothing)"
MOST_COLUMNS = 13  # a wider confusion matrix is told as a list
MOST_CONFUSIONS = 20


@dataclass
class Table:
    """Rows of texts under a title; all columns but the first are numbers."""

    title: str
    header: list
    rows: list
    note: str = ""

    def plain(self):
        """Aligned text."""
        lines = [self.header, *self.rows]
        widths = [max(len(row[k]) for row in lines) for k in range(len(self.header))]
        body = ["  ".join([row[0].ljust(widths[0]),
                           *(cell.rjust(width) for cell, width in
                             zip(row[1:], widths[1:], strict=True))]).rstrip() for row in lines]
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
    crowds = f", {count['crowds']} crowds" if count["crowds"] else ""
    return (f"{len(evaluation.images)} images, {count['objects']} objects{crowds}; "
            f"{count['detections']} detections of confidence {evaluation.confidence:g} or more")


def tables_of(evaluation):
    """[Table]: COCO's numbers, the classes, the confusions."""
    return [coco_table(evaluation), class_table(evaluation), confusion_table(evaluation)]


def coco_table(evaluation):
    """The twelve numbers, and AP at the chosen thresholds."""
    more = [iou for iou in next(iter(evaluation.ap_at.values()), {})
            if iou not in (0.5, 0.75)]
    rows = [[KINDS[kind], *(shown(evaluation[kind][name]) for name in METRICS),
             *(shown(evaluation.ap_at[kind][iou]) for iou in more)]
            for kind in evaluation.iou_types]
    return Table("COCO numbers", ["", *METRICS, *(f"AP@{iou:g}" for iou in more)], rows)


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
    header = ["class", "objects", "found", *names, *(f"{KINDS[kind]} AP" for kind in others),
              "precision", "recall", "F1"]
    return Table(f"Classes, by their {KINDS[main]}", header, rows,
                 f"found, precision, recall and F1: at confidence {evaluation.confidence:g} and "
                 f"IoU {evaluation.iou:g}")


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
