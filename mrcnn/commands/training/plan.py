"""What a training will do, decided and checked before TensorFlow is loaded."""

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mrcnn import _config_checks as checks
from mrcnn._text import counted
from mrcnn.commands.machine import has_gpu
from mrcnn.commands.opening import Description, check_classes, checkpoint_of, describe
from mrcnn.commands.samples.sample import stages_up_to
from mrcnn.commands.settings import read_settings
from mrcnn.commands.training import data_defaults, defaults, sets
from mrcnn.commands.training.options import TrainConfig, TrainOptions
from mrcnn.commands.training.run_files import CONFIG, read_run
from mrcnn.commands.training.starting_weights import Start, find_weights, is_download
from mrcnn.config import Config
from mrcnn.data.dataset import DataError
from mrcnn.engine.checkpoint_files import check_writable, find_checkpoints
from mrcnn.engine.faulty_images import admit
from mrcnn.engine.run_folders import find_runs

MOST_NAMES = 10  # classes named on the screen


@dataclass
class TrainPlan:
    """A training that can begin.

    Attributes:
        options: TrainOptions; of a run that goes on, those that it began with.
        data: sets.TrainingData.
        config: TrainConfig, resolved.
        start: starting_weights.Start; None for a run that goes on.
        resumed: Description of the checkpoint to go on from, None for a new run.
        counts: class name -> number of objects, where the data were checked.
        lines: what was chosen and why, (name, text).
    """

    options: TrainOptions
    data: sets.TrainingData
    config: Config
    start: Start | None = None
    resumed: Description | None = None
    counts: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)

    @property
    def epochs(self):
        """Of the whole run."""
        return self.stages()[-1][1]

    def stages(self):
        """Rows (layers, last epoch, factor of the rate) still to be trained."""
        rows = stages_up_to([tuple(row) for row in self.config.STAGES], self.options.epochs)
        done, layers = (self.resumed.epoch, self.resumed.layers) if self.resumed else (0, None)
        left = [row for row in rows if row[1] > done] or rows[-1:]
        names = [row[0] for row in left]
        return left[names.index(layers):] if layers in names else left


def make_plan(options):
    """Decides everything about a new run; what is quick to refuse comes first.

    Args:
        options: TrainOptions.

    Returns:
        TrainPlan.

    Raises:
        ValueError, OSError: what is wrong with settings, folders, weights or data.
    """
    settings = read_settings(options.config, options.all_assignments(), TrainConfig)
    gpu = has_gpu()
    small, why = defaults.is_small(options.small, options.weights, settings.said(), gpu)
    weights = defaults.weights_name(options.weights, small, settings.cls.PRESET)
    start = None if is_download(weights) else find_weights(weights)
    defaults.follow_preset(settings, weights, start)
    asked = settings.config()
    _check_stages(asked.STAGES)
    _check_output(options.output)
    data, said = _sets(options), settings.said()
    start = start or find_weights(weights, asked.RESNET_STYLE, defaults.published_backbone(said))
    knobs = defaults.network_knobs(data, start, small, said, gpu)
    knobs["NAME"] = data_defaults.run_name(options.data)
    strong = defaults.knobs_over_preset(data, start, small, settings)
    config = settings.config(knobs, strong)
    _check_class_count(config, data)
    statistics = _checked(data, config)
    fitted, fit = data_defaults.from_statistics(statistics, start.is_detector)
    sets.hold_out(data)
    length = defaults.length_knobs(data, config, small, start, gpu)
    knobs.update(fitted, SEED=secrets.randbelow(2**31), **length)
    if strong:
        strong.update({**(fitted if small else {}), **length})
    config = settings.config(knobs, strong)
    rows = config.STAGES or defaults.stages(options.epochs, config, small, start,
                                            data.train.class_names, gpu)
    if strong:
        strong.update(defaults.school_knobs(data, config, settings, small,
                                            options.epochs or rows[-1][1]))
        config = settings.config(knobs, strong)
    config.STAGES = rows
    plan = TrainPlan(options, data, config, start, counts=_counts(statistics))
    is_fitted = fit and config.RPN_ANCHOR_SCALES == fitted.get("RPN_ANCHOR_SCALES")
    plan.lines = [*_data_lines(data), *defaults.preset_lines(config, settings),
                  ("network", _network(config, gpu) + (why and f"; {why}")),
                  ("start", _start(start, data)), *([("anchors", fit)] if is_fitted else []),
                  ("stages", _stages(plan))]
    return plan


def resume_plan(options, run):
    """Decides how a run goes on.

    Args:
        options: TrainOptions of now: `epochs`, `config` and `assignments` change the run, what
            else is given there has to be left out.
        run: folder of the run, or one of its checkpoints.

    Returns:
        TrainPlan; its options are those that the run began with.

    Raises:
        ValueError, OSError: as `make_plan`, and where there is no run to go on with.
    """
    checkpoint = describe(checkpoint_of(run))
    folder = Path(checkpoint.path).parent
    stored = read_run(folder)
    first = TrainOptions(**{**stored["options"], "assignments": ()})
    if options.epochs:
        first.epochs = options.epochs
    first.data, first.output = options.data or first.data, str(folder.parent)
    first.map_every, first.patience = options.map_every, options.patience
    before = read_settings(str(folder / CONFIG), (), TrainConfig).config()
    settings = read_settings(options.config, options.all_assignments(), TrainConfig)
    settings.check_preset(before, folder)
    config = TrainConfig.from_dict(before.to_dict(), **settings.said(of_preset=False))
    _check_stages(config.STAGES)
    _check_output(folder)
    data = _sets(first)
    check_classes(checkpoint, data.train)
    statistics = _checked(data, config)
    sets.hold_out(data)
    plan = TrainPlan(first, data, config, resumed=checkpoint, counts=_counts(statistics))
    plan.lines = [*_data_lines(data), ("goes on", f"{checkpoint.path}, after epoch "
                                       f"{checkpoint.epoch} of {plan.epochs}"),
                  ("stages", _stages(plan))]
    return plan


def run_to_resume(options, run=""):
    """The run that `--resume` means.

    Args:
        options: TrainOptions; `name`, or else the name of `data`, says which run it is.
        run: a folder or checkpoint; "" for the newest run in `options.output`.

    Raises:
        FileNotFoundError: there is none.
    """
    if run:
        return run
    name = options.name or (options.data and data_defaults.run_name(options.data))
    runs = [folder for folder in find_runs(options.output, name or None)
            if find_checkpoints(folder)]
    if not runs:
        of = f" called {name!r}" if name else ""
        raise FileNotFoundError(f"--resume: no run{of} with a checkpoint in {options.output}; "
                                "--output names another folder, --resume RUN the run itself")
    return runs[0]


# --- the doors ------------------------------------------------------------------------------


def _check_output(folder):
    missing = [path for path in (Path(folder), *Path(folder).parents) if not path.exists()]
    try:
        check_writable(folder)
    except OSError as error:
        raise type(error)(f"--output {folder}: cannot be written ({error.__cause__ or error})"
                          ) from error
    with suppress(OSError):  # nothing is left of what is refused later
        for path in missing:
            path.rmdir()


def _check_stages(rows):
    """ValueError for STAGES that are no rows of (layers, epochs, factor)."""
    last = 0
    for row in rows or ():
        fine = isinstance(row, (list, tuple)) and len(row) == 3 and isinstance(row[0], str)
        fine = fine and checks.is_int(row[1]) and row[1] > last and checks.is_number(row[2])
        if not fine:
            raise ValueError(f"STAGES: expected rows of [layers, last epoch, factor of the rate], "
                             f"epochs rising, received {row!r}")
        last = row[1]


def _sets(options):
    """The data sets as options say; an empty one is refused."""
    data = sets.load_sets(options.source(), options.val)
    for dataset, what in ((data.train, "to train on"), (data.val, "to validate on")):
        if dataset is not None and not len(dataset.image_ids):
            raise DataError(f"{options.data}: no image {what}")
    if data.train.num_classes < 2:
        raise DataError(f"{options.data}: its annotations name no class, so there is nothing to "
                        "learn")
    return data


def _check_class_count(config, data):
    count = data.train.num_classes
    if config.NUM_CLASSES != count:
        names = ", ".join(str(name) for name in data.train.class_names[1:])
        raise ValueError(f"NUM_CLASSES = {config.NUM_CLASSES} is set, but the data have {count} "
                         f"with the background: {names}. Leave it out, it follows from the data")


def _checked(data, config):
    """The statistics of the training set; DataError for faults that are not to be skipped."""
    try:
        report = admit(data.train, config, "training set")
        if data.val is not None:
            admit(data.val, config, "validation set")
    except DataError as error:
        raise DataError(f"{error}\nOn the command line: --faulty skip, and `mrcnn check` for the "
                        "whole report.") from error
    counts = _counts(report.statistics if report else None)
    if counts and not any(counts.values()):
        raise DataError(f"not one object in {counted(len(data.train.image_ids), 'image')} of the "
                        "training set, so there is nothing to learn (crowds do not count; "
                        "--crowds-as-objects takes them)")
    return report.statistics if report else None


# --- what is said before it begins ----------------------------------------------------------


def _counts(statistics):
    rows = statistics["classes"] if statistics else ()
    return {row["name"]: row["instances"] for row in rows}


def _data_lines(data):
    names = [str(name) for name in data.train.class_names[1:]]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    part = f", {data.subset}" if data.subset else ""
    lines = [("train", f"{counted(len(data.train.image_ids), 'image')} ({data.format}{part}); "
              f"{len(names)} class{'es' if len(names) > 1 else ''}: "
              f"{', '.join(names[:MOST_NAMES])}{more}")]
    if data.val is None:
        return [*lines, ("validate", "nothing: no val_loss and no mAP; --val names a set")]
    where = "held out of them, the same ones every time; --val names another set"
    if not data.is_split:
        where = ", ".join(filter(None, (data.val_path, data.val_subset)))
        where = where or "drawn with another seed"
    return [*lines, ("validate", f"{counted(len(data.val.image_ids), 'image')} ({where})")]


def _network(config, gpu):
    name = config.BACKBONE if isinstance(config.BACKBONE, str) else "own backbone"
    width = f" of width {config.BACKBONE_WIDTH}" if config.BACKBONE_WIDTH != 64 else ""
    side = config.IMAGE_SHAPE[0]
    return (f"{name}{width}, {side} px, {config.BATCH_SIZE} a step, on "
            f"{'the GPU' if gpu else 'the CPU'}")


def _start(start, data):
    if not start.is_detector:
        return str(start)
    known = start.knows(data.train.class_names)
    return f"{start}; " + ("the heads know these classes" if known else
                           "the heads start anew, for other classes")


def _stages(plan):
    config, begin, texts = plan.config, plan.resumed.epoch if plan.resumed else 0, []
    for layers, last, factor in plan.stages():
        texts.append(f"{layers} to epoch {last} at {config.LEARNING_RATE * factor:g}")
    steps = max(0, plan.epochs - begin) * config.STEPS_PER_EPOCH
    return (f"{', then '.join(texts)}; {config.OPTIMIZER}, {config.STEPS_PER_EPOCH} steps an "
            f"epoch, {steps} in all")
