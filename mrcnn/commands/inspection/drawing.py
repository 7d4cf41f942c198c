"""`mrcnn inspect`: draws what was read of a data set, so that a person sees whether it is right."""

import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrcnn.commands.inspection import page as inspect_page
from mrcnn.commands.inspection import panels as inspect_panels
from mrcnn.commands.inspection.files import Album, free_output, write_page
from mrcnn.commands.opening import check_classes, describe, inference_config, open_detector
from mrcnn.commands.reading import TRAIN_WORDS, DataSource
from mrcnn.commands.settings import read_settings
from mrcnn.commands.training import data_defaults
from mrcnn.config import Config
from mrcnn.data.augmenters import standard
from mrcnn.data.check.objects import check_loaded
from mrcnn.data.check.report import headline, statistics_rows
from mrcnn.data.check.statistics import Tally
from mrcnn.data.dataset import DataError, image_label

LARGEST_SIDE = 1024  # of the network, where no configuration says it
MOST_COUNTED = 1000  # images whose objects are measured
WORST_MASKS = 6
MOST_PROBLEMS = 8


@dataclass
class InspectOptions:
    """The command line of `mrcnn inspect`; see its `--help` for each."""

    source: DataSource
    output: str | None = None
    count: int = 8
    names: tuple = ()
    seed: int = 0
    augment: int = 0
    config: str | None = None
    assignments: tuple = ()
    model: str | None = None


def inspect_data(options, progress=None):
    """Draws samples of a data set, with the anchors, sizes and classes.

    Args:
        options: InspectOptions.
        progress: function (done, total) for the images that are looked at, or None.

    Returns:
        (Path of the page, list of texts on images that could not be drawn).

    Raises:
        ValueError, OSError: what is wrong with the data, the settings, the model or the place
            to write to, before anything is drawn.
    """
    output = free_output(options.source.path, options.output)
    settings = read_settings(options.config, options.assignments)
    trained = describe(options.model) if options.model else None
    dataset, subset = _load(options.source, trained)
    if trained is None:
        config = settings.config(_knobs(dataset, settings.said()))
    else:
        check_classes(trained, dataset)
        config = inference_config(trained, options.config, options.assignments)
    if config.NUM_CLASSES < dataset.num_classes:
        raise ValueError(f"NUM_CLASSES: expected {dataset.num_classes}, the number of classes in "
                         f"{options.source.path} with the background, received "
                         f"{config.NUM_CLASSES}")
    chosen = choose(dataset, options.count, options.seed, options.names)
    model = None if trained is None else open_detector(
        options.model, options.config, options.assignments, dataset.class_names)
    album = Album()
    tally, faults = _tally(dataset, config, options.seed, progress)
    statistics = tally.statistics(dataset.class_names)
    samples = [_sample(dataset, image_id, config, options, model, album) for image_id in chosen]
    faults += [f"{sample['name']}: {sample['fault']}" for sample in samples if sample["fault"]]
    text = inspect_page.page(
        title=_title(options, subset), samples=samples, detected=model is not None,
        problems=_problems(dataset, faults),
        facts=_facts(dataset, config, statistics), classes=_classes(statistics),
        anchors=_anchors(dataset, chosen, config, options, album),
        sizes=_sizes(tally, config, album), **_masks(dataset, chosen, config, options, album))
    return write_page(output, text, album), list(dict.fromkeys(faults))


def choose(dataset, count, seed, names=()):
    """Image ids to show: those that are named, else some by chance.

    Args:
        dataset: prepared Dataset.
        count: how many by chance.
        seed: of that chance.
        names: file names, with or without folder and ending, or ids of the source.

    Returns:
        list of int.

    Raises:
        ValueError: no image, or a name that none has.
    """
    ids = [int(image_id) for image_id in dataset.image_ids]
    if not ids:
        raise DataError("there are no images in this data set")
    if names:
        return [_named(dataset, ids, str(name)) for name in names]
    rng = np.random.default_rng(seed)
    return sorted(rng.choice(ids, min(count, len(ids)), replace=False).tolist())


def _named(dataset, ids, name):
    known = {}
    for image_id in reversed(ids):  # the first of several wins
        info = dataset.image_info[image_id]
        path = Path(info["path"] or "")
        for one in (path.stem, path.name, info["path"], str(info["id"])):
            known[one] = image_id
    if name not in known:
        near = difflib.get_close_matches(name, [one for one in known if one], 1, 0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"--image {name}: no image is called so among {len(ids)}{hint}")
    return known[name]


def _load(source, trained):
    """(Dataset, name of its subset or None); with the classes of a model where there is one."""
    if source.is_shapes:
        return source.load(source.subset), None
    subset = source.chosen(TRAIN_WORDS)
    return (source.load(subset) if trained is None else source.load_for(trained, subset)), subset


def _knobs(dataset, said):
    """What training would take from the data."""
    side = said.get("IMAGE_MAX_DIM") or data_defaults.image_side(dataset, LARGEST_SIDE)
    least = side if "IMAGE_MAX_DIM" in said else min(side, Config.IMAGE_MIN_DIM)
    return {"NUM_CLASSES": dataset.num_classes, "IMAGE_MAX_DIM": side, "IMAGE_MIN_DIM": least,
            "IMAGE_CHANNEL_COUNT": data_defaults.channel_count(dataset)}


# --- what is on the page ----------------------------------------------------------------------


def _tally(dataset, config, seed, progress):
    """(Tally of some or all images, texts of what could not be read)."""
    tally, faults = Tally(config), []
    for done, image_id in enumerate(ids := choose(dataset, MOST_COUNTED, seed), start=1):
        try:
            size = _size(dataset, image_id)
            objects, found = check_loaded(dataset, image_id, size)
            tally.add(image_id, size, objects)
            faults += [f"image {image_label(dataset, image_id)}: {row[1]}" for row in found]
        except (ValueError, OSError) as error:
            faults.append(str(error))
        if progress is not None:
            progress(done, len(ids))
    return tally, faults


def _size(dataset, image_id):
    """(height, width) of an image, without decoding it where possible."""
    if hasattr(dataset, "image_size"):
        return dataset.image_size(image_id)
    return dataset.load_image(image_id).shape[:2]


def _sample(dataset, image_id, config, options, model, album):
    """dict with "name", "panels" and "fault" of one image."""
    def rng():
        return np.random.default_rng((options.seed, image_id))

    name, chance = _file_name(dataset, image_id), rng()
    makers = [lambda: inspect_panels.annotated_panel(dataset, image_id, config),
              lambda: inspect_panels.network_panel(dataset, image_id, config, rng())]
    makers += [lambda: inspect_panels.network_panel(dataset, image_id, config, chance,
                                                    standard())] * options.augment
    if model is not None:
        makers.append(lambda: inspect_panels.detected_panel(dataset, image_id, model))
    panels, fault = [], ""
    try:
        for number, maker in enumerate(makers, start=1):
            panel = maker()
            content = inspect_page.encoded(panel.picture)
            address = album.add(f"{image_id:05d}_{_plain(name)}_{number}", content)
            panels.append((address, panel.caption))
    except (ValueError, OSError) as error:
        fault = str(error)
    return {"name": name, "panels": panels, "fault": fault}


def _file_name(dataset, image_id):
    info = dataset.image_info[image_id]
    return Path(info["path"]).name if info["path"] else f"image {info['id']}"


def _plain(name):
    """A name that any system takes for a file."""
    return "".join(c if c.isalnum() else "_" for c in Path(name).stem)[:60]


def _title(options, subset):
    path = options.source.path
    return f"{path} ({subset})" if subset else str(path)


def _facts(dataset, config, statistics):
    """[(name, text)] for the head of the page."""
    whole, counted = len(dataset.image_ids), statistics["images"]
    part = "" if counted == whole else f" (of {counted} of the {whole} images)"
    mini = f"{_by(config.MINI_MASK_SHAPE)} px" if config.USE_MINI_MASK else "off"
    height, width = config.IMAGE_SHAPE[:2]
    return [("images", whole), ("counted", headline(statistics) + part),
            ("network image", f"{config.IMAGE_RESIZE_MODE}, {width} x {height}"
             if config.IMAGE_RESIZE_MODE == "square" else config.IMAGE_RESIZE_MODE),
            ("mini-masks", mini), *statistics_rows(statistics)]


def _by(shape):
    return f"{shape[1]} x {shape[0]}"


def _problems(dataset, faults):
    """Lines about what is wrong, the first few."""
    texts = [str(one) for one in getattr(dataset, "findings", ()) if one.is_error] + faults
    texts = list(dict.fromkeys(texts))
    if len(texts) > MOST_PROBLEMS:
        more = len(texts) - MOST_PROBLEMS
        texts = [*texts[:MOST_PROBLEMS], f"... and {more} more; mrcnn check lists them all"]
    return texts


def _classes(statistics):
    rows = sorted(statistics["classes"], key=lambda row: -row["instances"])
    most = max([row["instances"] for row in rows], default=0) or 1
    return [{**row, "share": round(100 * row["instances"] / most, 1)} for row in rows]


def _anchors(dataset, chosen, config, options, album):
    """(address, caption) of the first sample that has objects; None where none has."""
    for image_id in chosen:
        try:
            panel = inspect_panels.anchor_panel(dataset, image_id, config,
                                                np.random.default_rng((options.seed, image_id)))
        except (ValueError, OSError):  # its sample says why
            continue
        if panel is not None:
            content = inspect_page.encoded(panel.picture)
            name = _file_name(dataset, image_id)
            return album.add("anchors", content), f"{name}: {panel.caption}"
    return None


def _sizes(tally, config, album):
    boxes, _ = tally.in_network()
    boxes = boxes[~tally.joined("crowds").astype(bool)]
    if not len(boxes):
        return None
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    chart = inspect_page.size_chart(sides, config.RPN_ANCHOR_SCALES)
    return album.add("sizes", chart, inspect_page.PNG)


def _masks(dataset, chosen, config, options, album):
    """What the page says of mini-masks: the objects of the samples that lose most."""
    rows = []
    for image_id in chosen if config.USE_MINI_MASK else ():
        try:
            rows += inspect_panels.round_trip(dataset, image_id, config,
                                              np.random.default_rng((options.seed, image_id)))
        except (ValueError, OSError):  # its sample says why
            continue
    rows.sort(key=lambda row: row[0])
    shown = [(album.add(f"mask_{number}", inspect_page.encoded(panel.picture, inspect_page.PNG),
                        inspect_page.PNG), panel.caption)
             for number, (_, panel) in enumerate(rows[:WORST_MASKS], start=1)]
    mean = np.mean([iou for iou, _ in rows]) if rows else 0
    return {"masks": shown, "mini_shape": _by(config.MINI_MASK_SHAPE),
            "masks_text": f"All {len(rows)} keep an IoU of {mean:.2f} on average."}
