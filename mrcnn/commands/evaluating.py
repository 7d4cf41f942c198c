"""`mrcnn evaluate`: a checkpoint measured on a data set, with a report in a folder of its own."""

import datetime
import os
import re
import shlex
from pathlib import Path

from mrcnn._atomic import make_writable
from mrcnn.commands import opening
from mrcnn.commands.reading import VAL_SHAPES, VAL_WORDS, folder_of_images
from mrcnn.commands.training.run_files import HELD_OUT, read_run

SHAPES_COUNT = 100
REPORT, NUMBERS, DETECTIONS = "report.html", "evaluation.json", "detections_{}.json"


def evaluate_checkpoint(path, source, output=None, config=None, assignments=(), limit=None,
                        confidence=None, iou=0.5, ap_at=(), verbose=1):
    """Measures a checkpoint on a data set and writes what came out.

    Args:
        path: a weights file, or the folder of a run, or of runs.
        source: reading.DataSource; where it names no subset, val is taken of several.
        output: a new or empty folder; None for results/evaluate_<name>_<time>.
        config, assignments: as `opening.open_detector`.
        limit: number of images, the first ones; None for all.
        confidence, iou: what confusion, precision and recall go by.
        ap_at: IoU thresholds to give the AP at, besides 0.5 and 0.75.
        verbose: 1 shows the model, whether it was trained on these data, and how far it is.

    Returns:
        (Evaluation, Path of the folder, which holds report.html, evaluation.json, and
        detections_bbox.json and detections_segm.json as `Evaluation.save_detections` writes
        them).

    Raises:
        FileExistsError: `output` is there and holds something.
        FileNotFoundError, PermissionError: no weights, no data, or no place to write.
        ValueError: the classes differ, no configuration, or an argument out of range.
        DataError: data that cannot be read.
    """
    description = opening.describe(path)
    folder = new_folder(output, _name(description))
    dataset, subset = load_data(source, description, limit)
    settings = opening.inference_config(description, config, assignments)
    _check_count(description, settings, dataset)
    note = training_note(description.path, source, subset, dataset)
    if verbose:
        print(f"model: {description.path}\n{note}", end="", flush=True)
    model = opening.open_detector(path, config, assignments, classes=dataset.class_names)
    from mrcnn.engine.evaluating import evaluate

    evaluation = evaluate(model, dataset, limit=limit, confidence=confidence,
                          iou_thresholds=(0.5, 0.75, *ap_at), iou=iou, verbose=verbose)
    named = f"{source.path} ({subset})" if subset else str(source.path)
    evaluation.details.update(checkpoint=str(description.path), dataset=named,
                              **({"note": note.strip()} if note else {}))
    save_all(evaluation, folder, dataset)
    return evaluation, folder


def save_all(evaluation, folder, dataset):
    """Writes report, numbers and detections into a folder; all of them, or none."""
    names = {kind: folder / DETECTIONS.format(kind) for kind in evaluation.iou_types}
    was_there = folder.is_dir()
    try:
        for kind, path in names.items():
            evaluation.save_detections(path, kind)
        evaluation.save_json(folder / NUMBERS)
        evaluation.save_html(folder / REPORT, dataset)
    except BaseException:
        for path in (*names.values(), folder / NUMBERS):
            path.unlink(missing_ok=True)
        if not was_there and folder.is_dir():
            folder.rmdir()
        raise


def load_data(source, description, limit=None):
    """The data set to measure on, with the classes of a checkpoint in their order.

    The generated shapes are others than those that `mrcnn train shapes` trains on.

    Args:
        source: reading.DataSource.
        description: opening.Description of the checkpoint.
        limit: number of generated shapes; None for 100.

    Returns:
        (prepared Dataset, subset or None).

    Raises:
        ValueError: the classes differ, or several subsets and none that is for validation.
        FileNotFoundError, DataError: as `load_dataset`.
    """
    if source.is_shapes:
        dataset = source.load(source.subset, count=limit or SHAPES_COUNT, seed=VAL_SHAPES[1])
        subset = None
    else:
        subset = source.chosen((*VAL_WORDS, "test"))
        dataset = source.load_for(description, subset)
    opening.check_classes(description, dataset)
    return dataset, subset


def training_note(checkpoint, source, subset, dataset):
    """Lines where a set is the one that a checkpoint's run was trained on, "" otherwise.

    Args:
        checkpoint: path of the weights file.
        source: reading.DataSource of the set.
        subset: the part that is measured, None for all.
        dataset: that part.
    """
    folder = Path(checkpoint).parent
    try:
        trained = read_run(folder)["data"]
        measured = os.path.abspath(source.path), subset
        if (trained["path"], trained["subset"]) != measured:
            return ""
    except (OSError, ValueError, KeyError, TypeError):  # no run of `mrcnn train`
        return ""
    note = "The model was trained on these images, so that new ones may do worse"
    if not (folder / HELD_OUT).is_file():
        return note + ".\n"
    words = [checkpoint, folder / HELD_OUT, "--images", folder_of_images(dataset)]
    return (f"{note}. Those held out, {trained['val_images']} of them, are measured by\n"
            f"  mrcnn evaluate {shlex.join(map(str, words))}\n")


def new_folder(output, name):
    """The folder to write to, as a Path; it is made when something is written.

    Args:
        output: what the user wants; None for a new name in results/.
        name: of the model.

    Raises:
        FileExistsError: it holds something, or is a file.
        PermissionError: it cannot be made or written to.
    """
    now = datetime.datetime.now()
    folder = Path(output or Path("results", f"evaluate_{name}_{now:%Y%m%dT%H%M%S}"))
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already: choose another --output")
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        make_writable(there)
    except OSError as error:
        raise PermissionError(f"{folder} cannot be made: {error}") from error
    return folder


def _name(description):
    """A file name for the model: that of its configuration, or of its file."""
    name = description.config and description.config.NAME
    return re.sub(r"[^\w.-]+", "_", str(name or Path(description.path).stem))


def _check_count(description, settings, dataset):
    """The classes that the configuration asks for must be those of the data and the file."""
    counts = {"the configuration": settings.NUM_CLASSES, "the data set": dataset.num_classes}
    if description.num_classes is not None:
        counts["the weights"] = description.num_classes
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{where} {count}" for where, count in counts.items())
        raise ValueError(f"the numbers of classes, background included, differ: {said}")
