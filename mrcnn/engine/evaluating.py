"""evaluate: a model measured on a data set, a batch of images in memory at a time.

Nothing here imports TensorFlow: the model is the caller's.
"""

import datetime
import sys
import time
from contextlib import contextmanager

from mrcnn import __version__
from mrcnn.data.check.progress import progress_bar
from mrcnn.engine.evaluation_truth import coco_numbers, image_name, truth_of, void_of
from mrcnn.evaluation.evaluation import Evaluation
from mrcnn.evaluation.evaluator import Evaluator
from mrcnn.reports.page import save_report

SHOWN_CLASSES = 12
LINES = 10  # of progress, where there is no terminal
KNOBS = ("BACKBONE", "IMAGE_RESIZE_MODE", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "NUM_CLASSES",
         "DETECTION_NMS_THRESHOLD", "DETECTION_MAX_INSTANCES", "POST_NMS_ROIS_INFERENCE")


class ModelEvaluation(Evaluation):
    """An Evaluation that can draw its images, since it knows where they are."""

    def save_html(self, path, dataset, overwrite=False, worst=12, best=4):
        """Writes the report: one HTML file that needs no other.

        Args:
            path: the file.
            dataset: the Dataset that was evaluated, for its images.
            overwrite: replace a file that is there.
            worst: images with the most mistakes that are drawn.
            best: images without a mistake that are drawn.

        Raises:
            FileExistsError: the file is there and `overwrite` is False.
        """
        save_report(self, path, dataset, overwrite, worst, best)


def evaluate(model, dataset, iou_types=("bbox", "segm"), limit=None, image_ids=None,
             min_confidence=0.05, iou_thresholds=(0.5, 0.75), confidence=None, verbose=1,
             iou=0.5):
    """Detects in the images of a data set and measures what was found.

    Small, medium and large go by the area and boxes by the bbox that a COCO file states, as
    pycocotools has it; in all other sets by the pixels of the masks. A Pascal VOC set with label
    images gets VOC's own AP at mask IoU 0.5 and 0.7 besides, see `mrcnn.evaluation.voc`.

    Args:
        model: MaskRCNN in inference mode.
        dataset: prepared Dataset with the model's classes, in their order.
        iou_types: what to compare, "bbox" and "segm".
        limit: number of images, the first ones; None or 0 for all.
        image_ids: these images in place of all.
        min_confidence: detections below it are left out. Low, because average precision wants
            the doubtful ones too.
        iou_thresholds: further IoU thresholds to give the AP at.
        confidence: least score for confusion, precision and recall; None for the model's
            DETECTION_MIN_CONFIDENCE.
        verbose: 1 shows how far it is.
        iou: least IoU for confusion, precision and recall.

    Returns:
        ModelEvaluation.

    Raises:
        ValueError: wrong mode or arguments, or classes that are not the model's.
        DataError, FileNotFoundError: an image or its masks cannot be read; it is named.
    """
    _check(model, dataset)
    if confidence is None:
        confidence = float(model.config.DETECTION_MIN_CONFIDENCE)
    evaluator = Evaluator(dataset.class_names, iou_types, iou_thresholds, confidence, iou)
    ids = chosen_images(dataset, limit, image_ids)
    numbers, categories = coco_numbers(dataset)
    least, started = min(float(min_confidence), confidence), time.perf_counter()
    segm = "segm" in evaluator.iou_types
    with shown_progress("evaluating", verbose) as progress:
        for image_id, image, result in results_of(model, dataset, ids, progress, masks="rle",
                                                  min_confidence=least):
            truth = truth_of(dataset, image_id, image.shape)
            if segm:
                truth["void"] = void_of(dataset, image_id)
            evaluator.add(truth, result, image_id, numbers[image_id],
                          image_name(dataset, image_id))
    details = _details(model, len(ids), least, time.perf_counter() - started)
    return evaluator.finish(ModelEvaluation, categories, details)


def chosen_images(dataset, limit=None, image_ids=None):
    """Ids of the images of a dataset to evaluate, list of int: `image_ids`, or the first `limit`.

    Raises:
        TypeError, ValueError: no prepared dataset, a negative limit, or an id it has not.
    """
    _check_prepared(dataset)
    if limit is not None and limit < 0:
        raise ValueError(f"limit: expected a number of images from 0 (all), received {limit}")
    ids = dataset.image_ids if image_ids is None else image_ids
    ids, count = [int(image_id) for image_id in ids[: limit or None]], len(dataset.image_info)
    unknown = [image_id for image_id in ids if not 0 <= image_id < count]
    if unknown:
        raise ValueError(f"image_ids: expected numbers below {count}, received {unknown[0]}")
    return ids


def results_of(model, dataset, ids, progress=None, **options):
    """Detects in images of a dataset, a batch at a time.

    Args:
        model: MaskRCNN in inference mode.
        dataset: prepared Dataset.
        ids: list of image ids.
        progress: function (images done, images in all), or None.
        **options: for `detect`.

    Yields:
        (image id, image, result).
    """
    size = model.config.BATCH_SIZE
    channels = getattr(model.config, "IMAGE_CHANNEL_COUNT", 3)
    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        images = [dataset.load_image_as(image_id, channels) for image_id in part]
        yield from zip(part, images, model.detect(images, **options), strict=True)
        if progress:
            progress(start + len(part), len(ids))


# --- at the door ----------------------------------------------------------------------------


def _check(model, dataset):
    if getattr(model, "mode", "inference") != "inference":
        raise ValueError("evaluate: expected a model in inference mode, received one in "
                         f"{model.mode} mode")
    _check_prepared(dataset)
    check_same_classes(model, dataset)


def _check_prepared(dataset):
    if not hasattr(dataset, "image_info"):
        raise TypeError(f"expected a Dataset, received {type(dataset).__name__} {dataset!r:.80}; "
                        "load_dataset(path) reads one")
    if not hasattr(dataset, "class_names"):
        raise ValueError("call prepare() of the dataset first")


def check_same_classes(model, dataset):
    """Refuses a data set that has other classes than the model, or in another order.

    Raises:
        ValueError: naming the classes of both.
    """
    known = getattr(model, "class_names", None)
    count, theirs = model.config.NUM_CLASSES, list(dataset.class_names)
    if count == len(theirs) and known in (None, theirs):
        return
    ours = _listed(known) if known else f"{count - 1} without names"
    hint = ""
    if known and set(theirs) <= set(known):
        hint = "; load_dataset(..., classes=model.class_names[1:]) reads them in its order"
    raise ValueError(f"the model's classes are {ours}; the data set's are {_listed(theirs)}{hint}")


def _listed(names):
    names = list(names)[1:]
    more = f" and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    return f"{len(names)}: " + ", ".join(map(str, names[:SHOWN_CLASSES])) + more


# --- around it ------------------------------------------------------------------------------


@contextmanager
def shown_progress(text, verbose=1):
    """How far it is: a bar on a terminal, otherwise ten lines in all; nothing where not verbose.

    Yields:
        function (images done, images in all), or None.
    """
    if not verbose:
        yield None
        return
    with progress_bar(text) as bar:
        yield bar or _Lines(text)


class _Lines:
    """A line of text at each tenth of the way."""

    def __init__(self, text):
        self.text, self.said = text, 0

    def __call__(self, done, total):
        tenth = LINES * done // max(total, 1)
        if tenth > self.said:
            self.said = tenth
            print(f"{self.text}: {done} of {total} images", flush=True)


def _details(model, images, min_confidence, seconds):
    """What was evaluated and with what, for the report."""
    config = model.config
    values = config.to_dict() if hasattr(config, "to_dict") else {}
    return {
        "model": str(getattr(config, "NAME", None) or "model"),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {"mrcnn": __version__, "python": sys.version.split()[0], **{
            name: sys.modules[name].__version__ for name in ("tensorflow", "jax", "torch", "keras")
            if name in sys.modules}},
        "images_evaluated": images, "seconds": round(seconds, 2),
        "min_confidence": min_confidence,
        "knobs": {name: values[name] for name in KNOBS if name in values},
    }
