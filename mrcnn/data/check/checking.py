"""check_dataset: looks at every image and object of a set before training does."""

import os
import re
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from mrcnn.config import Config
from mrcnn.data.check import cache as results
from mrcnn.data.check.images import check_image
from mrcnn.data.check.objects import Objects, check_annotated, check_loaded
from mrcnn.data.check.report import Report
from mrcnn.data.check.statistics import Tally
from mrcnn.data.dataset import DataError
from mrcnn.data.findings import Finding
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.detect import is_shapes
from mrcnn.data.formats.loading import load_dataset

MOST_WORKERS = 16
AHEAD = 4  # images begun for each thread before the oldest is taken


def check_dataset(dataset, max_workers=None, progress=None, cache=True, config=None,
                  format="auto", images=None, subset=None, **options):
    """Reads a whole set and reports what is wrong with it, and what it consists of.

    Args:
        dataset: a path as `load_dataset` takes it, or a prepared Dataset of any kind.
        max_workers: threads; None picks by the machine.
        progress: function (images done, images in all), called after each image.
        cache: look up and keep the result in the user's cache folder (MRCNN_CACHE, or the
            system's). Only for an AnnotatedDataset or a path: what code of a script's own
            answers is looked at each time.
        config: Config whose image size and anchors the statistics are for, and whose
            IMAGE_CHANNEL_COUNT the images must suit; None for the defaults, and images of any
            channels.
        format: see `load_dataset`, as for the arguments below; only for a path.
        images: the folder of the images, where they lie elsewhere.
        subset: such as "train".
        **options: further options of `load_dataset`.

    Returns:
        Report. A set that cannot be read at all gives one with that one finding.

    Raises:
        FileNotFoundError: there is no such path.
        TypeError: neither a path nor a dataset.
        ValueError: the dataset is not prepared, or max_workers is not positive.
    """
    if max_workers is not None and max_workers < 1:
        raise ValueError(f"max_workers: expected at least 1, received {max_workers}")
    channels = None if config is None else int(config.IMAGE_CHANNEL_COUNT)
    config = Config() if config is None else config
    title, root = "data set", None
    if isinstance(dataset, (str, os.PathLike, list, tuple)):
        title, root = _title(dataset), _root(dataset)
        try:
            dataset = load_dataset(dataset, format=format, images=images, subset=subset,
                                   **options)
        except (DataError, OSError) as error:
            return Report(title, [_unreadable(dataset, error)], None, root)
    _check_dataset_object(dataset)
    key = None
    if cache and results.can_be_cached(dataset, config):
        key = results.fingerprint(dataset, config, channels)
        found = _stored(key, title, root)
        if found is not None:
            return found
    report = _checked(dataset, title, root, max_workers, progress, config, channels)
    if key is not None:
        results.store(key, report.as_dict())
    return report


def _title(path):
    return ", ".join(map(str, path)) if isinstance(path, (list, tuple)) else str(path)


def _root(path):
    """The folder of a path; FileNotFoundError where a path does not exist."""
    if is_shapes(path):
        return None
    paths = path if isinstance(path, (list, tuple)) else [path]
    for one in paths:
        os.stat(one)
    first = os.path.abspath(paths[0]) if paths else None
    if len(paths) != 1:
        return None
    return first if os.path.isdir(first) else os.path.dirname(first)


def _unreadable(path, error):
    file = str(getattr(error, "filename", None) or _title(path))
    message = re.sub(r"\n\s*", " ", str(error).removeprefix(f"{file}: "))
    return Finding("annotations-unreadable", message, file)


def _check_dataset_object(dataset):
    if not hasattr(dataset, "image_info"):
        raise TypeError(f"dataset: expected a path or a Dataset, received "
                        f"{type(dataset).__name__}")
    if not hasattr(dataset, "num_classes"):
        raise ValueError("dataset: call prepare() first: it has no ids yet")


def _stored(key, title, root):
    """The Report of an earlier check, None where there is none that can be used."""
    try:
        report = Report.from_dict(results.stored(key))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    report.title, report.root = title, root
    return report


def _checked(dataset, title, root, max_workers, progress, config, channels):
    findings = list(getattr(dataset, "findings", ()))
    told = {}
    for finding in findings:
        told.setdefault(finding.image, set()).add(finding.kind)
    tally, ids = Tally(config), range(len(dataset.image_info))

    def check(image_id):
        return check_one(dataset, image_id, told.get(image_id, frozenset()), channels)

    with closing(in_threads(check, ids, max_workers)) as answers:
        for image_id, (size, objects, found) in enumerate(answers):
            tally.add(image_id, size, objects)
            findings += found
            if progress is not None:
                progress(image_id + 1, len(ids))
    statistics = tally.statistics(dataset.class_names)
    findings += set_findings(dataset, tally, statistics, root or title)
    return Report(title, findings, statistics, root)


def in_threads(function, values, max_workers=None):
    """Yields `function(value)` in order; no more than a few results wait at a time.

    Threads end after the value they are at when the consumer stops, be it by Ctrl-C.
    """
    workers = max_workers or min(MOST_WORKERS, os.cpu_count() or 1)
    if workers == 1:
        yield from map(function, values)
        return
    pool, waiting = ThreadPoolExecutor(workers), deque()
    try:
        for value in values:
            waiting.append(pool.submit(function, value))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def check_one(dataset, image_id, told, channels=None):
    """Looks at one image and its objects.

    Args:
        dataset: a prepared Dataset.
        image_id: its id.
        told: the kinds of findings that there are on this image already.
        channels: the number that the network takes; None leaves it unchecked.

    Returns:
        (size, objects, findings): (height, width) or None, an Objects, a list of Finding.
    """
    info = dataset.image_info[image_id]
    path = str(info.get("path") or f"{info.get('source', '?')}.{info.get('id', '?')}")
    size, faults = check_image(dataset, image_id, told, channels)
    findings = [Finding(kind, message, path, "", image_id) for kind, message in faults]
    objects = Objects.of([])
    if size is not None:
        annotated = isinstance(dataset, AnnotatedDataset) and (
            type(dataset).load_mask is AnnotatedDataset.load_mask)
        check = check_annotated if annotated else check_loaded
        objects, faults = check(dataset, image_id, size)
        source = str(info.get("annotation_file") or path)
        findings += [Finding(kind, message, str(file or source), region, image_id)
                     for kind, message, region, file in faults]
    return size, objects, findings


def set_findings(dataset, tally, statistics, file):
    """Warnings on the set as a whole, a list of Finding."""
    findings = [Finding("class-left-out", f"{count} objects not read", file, f"class {name!r}")
                for name, count in getattr(dataset, "left_out", {}).items()]
    findings += [Finding("class-unused", "no object", file, f"class {row['name']!r}")
                 for row in statistics["classes"] if not row["instances"] + row["crowds"]]
    if not dataset.image_info:
        findings.append(Finding("image-missing", "there is no image in the set", file))
    crowds, objects = statistics["crowds"], statistics["instances"] + statistics["crowds"]
    if 2 * crowds > objects:
        findings.append(Finding("mostly-crowd", f"{crowds} of {objects} objects are crowds, "
                                "which train nothing; where a tool such as CVAT calls its masks "
                                "so, read them with crowds_as_objects=True", file))
    count, image_id, sides = tally.small_objects()
    if count:
        config = tally.config
        path = dataset.image_info[image_id].get("path") or file
        findings.append(Finding(
            "small-objects", f"{count} of {statistics['instances']} objects are smaller than the "
            f"smallest anchor ({min(config.RPN_ANCHOR_SCALES):g} px, see RPN_ANCHOR_SCALES) at the "
            f"network's size; the smallest has {sides[1]:g} x {sides[0]:g} px there, in "
            f"{os.path.basename(path)}",
            file))
    return findings
