"""save_report: an Evaluation as one HTML file that opens anywhere, prints, and needs no network."""

from pathlib import Path

import numpy as np

from mrcnn.evaluation.confusion import CROWD, FALSE, best_first, worst_first
from mrcnn.evaluation.evaluation import new_file
from mrcnn.evaluation.text import KINDS, NOTHING, confusions, headline, shown
from mrcnn.reports import charts, pictures

TEMPLATE = "report.html"  # beside this file
MANY_CLASSES = 12  # with more, the matrix leaves out classes that never occur
MOST_CONFUSIONS = 10
MEANINGS = {
    "AP": "Average precision: one number for all. The share of detections that are right, "
          "averaged over everything that could be found, over the classes, and over ten demands "
          "on the overlap (IoU 0.50 to 0.95).",
    "AP50": "The same, where half an overlap (IoU 0.50) is enough: was the object found?",
    "AP75": "The same at IoU 0.75: was it also outlined well?",
    "APs": "AP of small objects, below 32 x 32 pixels.",
    "APm": "AP of medium objects, up to 96 x 96 pixels.",
    "APl": "AP of large objects, above that.",
    "AR1": "Average recall: the share of objects found, with one detection an image allowed.",
    "AR10": "The same with ten detections an image.",
    "AR100": "The same with a hundred.",
    "ARs": "AR100 of small objects.",
    "ARm": "AR100 of medium objects.",
    "ARl": "AR100 of large objects.",
}


def save_report(evaluation, path, dataset=None, overwrite=False, worst=12, best=4):
    """Writes the report.

    Args:
        evaluation: Evaluation.
        path: the HTML file.
        dataset: the Dataset that was evaluated, for its images; None leaves pictures out.
        overwrite: replace a file that is there.
        worst: images with the most mistakes that are drawn.
        best: images without a mistake that are drawn.

    Raises:
        FileExistsError: the file is there and `overwrite` is False.
        ValueError: the dataset has fewer images than were evaluated, so it is another one.
    """
    last = max((record.image_id for record in evaluation.records), default=-1)
    if dataset is not None and last >= len(dataset.image_info):
        raise ValueError(f"dataset: expected the one that was evaluated, which has an image "
                         f"{last}; this one has {len(dataset.image_info)}")
    with new_file(path, overwrite) as file:
        file.write(page_of(evaluation, dataset, worst, best))


def page_of(evaluation, dataset=None, worst=12, best=4):
    """The report as HTML text; see `save_report`."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined,
                                     trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text("utf-8"))
    by_id = {record.image_id: record for record in evaluation.records}
    drawn = [[_drawn(evaluation, dataset, row, by_id[row["image_id"]]) for row in rows[:most]]
             if dataset is not None else []
             for rows, most in ((worst_first(evaluation.images), worst),
                                (best_first(evaluation.images), best))]
    return template.render(
        evaluation=evaluation, title=_title(evaluation.details), kinds=KINDS, meanings=MEANINGS,
        number=shown, headline=headline(evaluation), facts=_facts(evaluation),
        charts=_charts(evaluation), matrix=_matrix(evaluation), confused=_confused(evaluation),
        worst=drawn[0], best=drawn[1], colors={name: _css(color) for name, color
                                               in pictures.COLORS.items()},
        faulty=sum(1 for row in evaluation.images if row["errors"]),
        thresholds=[iou for iou in next(iter(evaluation.ap_at.values()), {})
                    if iou not in (0.5, 0.75)])


def _title(details):
    """Of what on what, as far as that is known."""
    parts = [f"{word} {details[key]}" for word, key in (("of", "model"), ("on", "dataset"))
             if details.get(key)]
    return " ".join(["Evaluation", *parts])


def _facts(evaluation):
    """[(name, text)] for the head of the page."""
    details = dict(evaluation.details)
    knobs, versions = details.pop("knobs", {}), details.pop("versions", {})
    names = {"model": "model", "checkpoint": "weights", "dataset": "data set", "date": "date",
             "min_confidence": "detections kept from confidence"}
    rows = [(title, details[name]) for name, title in names.items() if name in details]
    if details.get("seconds") and evaluation.images:
        each = details["seconds"] / len(evaluation.images)
        rows.append(("time", f"{details['seconds']:.1f} s, {each:.2f} s an image with reading"))
    rows += [("versions", ", ".join(f"{name} {text}" for name, text in versions.items()))] \
        if versions else []
    return rows + [(name, value) for name, value in knobs.items()]


def _charts(evaluation):
    """[(address, what it shows)]."""
    figures = [(charts.precision_recall(evaluation.curves[kind], evaluation.class_names, kind),
                f"precision over recall of {KINDS[kind]}") for kind in evaluation.iou_types]
    figures += [(charts.over_confidence(evaluation.by_confidence, evaluation.confidence),
                 "precision, recall and F1 over the confidence"),
                (charts.score_histogram(evaluation.by_confidence),
                 "number of right and false detections by confidence")]
    return [(pictures.address_of(charts.as_svg(figure).encode(), "svg+xml"), what)
            for figure, what in figures]


def _matrix(evaluation):
    """{"names", "rows": [(name, [(count, share of the row, is right)])]} of the confusions."""
    counts, names = evaluation.confusion, [NOTHING, *evaluation.class_names[1:]]
    order = list(range(1, len(names)))
    if len(order) > MANY_CLASSES:
        order = [i for i in order if counts[i].any() or counts[:, i].any()]
    order.append(0)
    rows = []
    for i in order:
        whole = max(int(counts[i].sum()), 1)
        rows.append((names[i], [(int(counts[i, j]), round(int(counts[i, j]) / whole, 3), i == j)
                                for j in order]))
    return {"names": [names[j] for j in order], "rows": rows,
            "left_out": len(names) - len(order)}


def _confused(evaluation):
    """[(true name, detected name, times)] of objects that were given another name."""
    names = evaluation.class_names
    return [(names[i], names[j], count) for i, j, count in confusions(evaluation.confusion)
            if i and j][:MOST_CONFUSIONS]


def _drawn(evaluation, dataset, row, record):
    """A row of `image_row` with its picture and a sentence for each mistake."""
    outcome = evaluation.outcome(record)
    try:
        image = dataset.load_image(row["image_id"])
        address = pictures.as_jpeg(pictures.pair_picture(image, record, outcome,
                                                         evaluation.class_names))
    except (OSError, ValueError) as error:  # measured, and gone since
        return {**row, "address": None, "mistakes": [str(error)]}
    return {**row, "address": address,
            "mistakes": _mistakes(record, outcome, evaluation.class_names)}


def _mistakes(record, outcome, names):
    """What went wrong in an image: a text for each kind of mistake, the most frequent first."""
    truth, found = record.truth, record.found
    kinds = {}  # what it was -> scores, of missed objects None
    for j, i in enumerate(outcome.truth):
        name = names[truth.class_ids[j]]
        if i >= 0 and found.class_ids[i] != truth.class_ids[j]:
            kind = f"{name} taken for {names[found.class_ids[i]]}"
            kinds.setdefault(kind, []).append(found.scores[i])
        elif i < 0 and i != CROWD:
            kinds.setdefault(f"missed {name}", []).append(None)
    for i in np.flatnonzero(np.asarray(outcome.found) == FALSE):
        kinds.setdefault(f"false {names[found.class_ids[i]]}", []).append(found.scores[i])
    return [_told(kind, scores) for kind, scores
            in sorted(kinds.items(), key=lambda one: -len(one[1]))]


def _told(kind, scores):
    """A kind of mistake, with how often it was made and the highest score."""
    highest = "" if scores[0] is None else f"{max(scores):.2f}"
    if len(scores) == 1:
        return f"{kind} {highest}".rstrip()
    return f"{kind} ({len(scores)}{', up to ' if highest else ''}{highest})"


def _css(color):
    return "#" + "".join(f"{int(255 * part):02x}" for part in color)
