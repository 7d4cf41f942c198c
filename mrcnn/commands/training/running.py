"""`mrcnn train`: from a plan to checkpoints; TensorFlow is loaded here."""

import shlex
import sys
import warnings
from pathlib import Path

from mrcnn.commands.quiet import quiet_start
from mrcnn.commands.reading import folder_of_images
from mrcnn.commands.schools import school_of
from mrcnn.commands.training import epoch_table, run_files
from mrcnn.commands.training.plan import make_plan, resume_plan, run_to_resume
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.coco_writer import save_coco

MAP_IMAGES = 200  # that the mAP of an epoch is measured on, at most
STOPPED = 130  # what a shell expects after Ctrl-C


def train(options, resume=None):
    """Trains as options say, or goes on with a run.

    Args:
        options: training_options.TrainOptions.
        resume: None for a new run; folder or checkpoint of a run, "" for the newest one.

    Returns:
        Path of the run's folder.

    Raises:
        ValueError, OSError: what is wrong, before anything was trained.
        FloatingPointError: the losses became NaN.
        SystemExit: 130, after Ctrl-C.
    """
    plan = make_plan(options) if resume is None else resume_plan(
        options, run_to_resume(options, resume))
    for name, text in plan.lines:
        for line in ([text] if isinstance(text, str) else text):
            print(f"{name:>10}  {line}", flush=True)
    if plan.resumed and plan.resumed.epoch >= plan.epochs:
        print(f"\nNothing left to train: {plan.resumed.epoch} of {plan.epochs} epochs are done. "
              f"--epochs {plan.epochs + 10} goes on for ten more.")
        return str(Path(plan.resumed.path).parent)
    model = open_trainer(plan)
    if model.is_chief:  # others train for it, see engine.workers
        _write_run(model, plan, options)
        print(f"{'run':>10}  {model.log_dir}\n", flush=True)
    try:
        _train_stages(model, plan)
    except KeyboardInterrupt:
        print(f"\nStopped. To go on:\n  mrcnn train --resume {shlex.quote(model.log_dir)}",
              flush=True)
        sys.exit(STOPPED)
    except Exception as error:
        if type(error).__name__ != "ResourceExhaustedError":
            raise
        raise ValueError(_too_large(model.config)) from error
    if model.is_chief:
        _draw_losses(model.log_dir)
        print(f"\n{closing_lines(model.log_dir, plan)}")
    return model.log_dir


def _too_large(config):
    return (f"the memory is not enough for {config.IMAGES_PER_GPU} image(s) of "
            f"{config.IMAGE_SHAPE[0]} px a step: --set IMAGES_PER_GPU=1, a smaller "
            "--set IMAGE_MAX_DIM, or --small")


def open_trainer(plan):
    """A MaskRCNN in training mode with its weights, in a run folder of its own or to go on.

    Args:
        plan: TrainPlan.
    """
    with quiet_start():
        from mrcnn._versions import check_versions

        check_versions()
        from mrcnn.engine.mask_rcnn import MaskRCNN
        from mrcnn.engine.run_folders import checkpoint_pattern

        model = MaskRCNN("training", plan.config, plan.options.output)
    if plan.resumed:
        path = plan.resumed.path
        model.load_weights(path, by_name=True)
        model.epoch, model.log_dir, model.resume_from = plan.resumed.epoch, str(
            Path(path).parent), path
        model.checkpoint_path = checkpoint_pattern(model.log_dir, plan.config.NAME)
    elif plan.start.path:
        known = plan.start.knows(plan.data.train.class_names)
        heads = None if known or not plan.start.is_detector else "heads"
        model.load_weights(plan.start.path, by_name=True, exclude=heads)
        model.set_log_dir()  # a run of its own, whatever run the file belongs to
        model.resume_from = None
    return model


def _write_run(model, plan, options):
    """config.yaml and run.json, and the held-out images as a data set, before it begins."""
    if plan.resumed:
        run_files.note_resumption(model.log_dir, options.argv(), model.epoch)
        return
    data = plan.data
    described = {
        "path": plan.options.as_dict()["data"], "format": data.format, "subset": data.subset,
        "images": len(data.train.image_ids), "val_path": data.val_path,
        "val_subset": data.val_subset, "val_is_held_out": bool(data.is_split and data.val),
        "val_images": len(data.val.image_ids) if data.val else 0,
        "class_names": [str(name) for name in data.train.class_names], "objects": plan.counts}
    run_files.save_run_files(model.log_dir, plan.config, described, options.argv(),
                             options=plan.options.as_dict(), weights=plan.start.path)
    if described["val_is_held_out"] and isinstance(data.val, AnnotatedDataset):
        save_coco(data.val, Path(model.log_dir, run_files.HELD_OUT))


def _train_stages(model, plan):
    """Trains what is left of the stages, with the table on the screen."""
    config, options = plan.config, plan.options
    augmentation = _augmentation(config, options)
    from mrcnn.commands.training.callbacks import TableOfEpochs

    measure = _measure(plan)
    with epoch_table.Screen() as screen, warnings.catch_warnings():
        table = TableOfEpochs(screen, config.STEPS_PER_EPOCH, plan.epochs)
        screen.keep(epoch_table.header())
        for layers, last, factor in plan.stages():
            if last <= model.epoch:
                continue
            model.train(plan.data.train, plan.data.val, config.LEARNING_RATE * factor, last,
                        layers, augmentation=augmentation, verbose=0,
                        custom_callbacks=_callbacks(model, plan, table, measure, layers))


def _augmentation(config, options):
    """What --augment asks for; without it, a school's own way is to mirror alone."""
    from mrcnn.data import augmenters

    name = options.augment or ("mirror" if school_of(config.PRESET) else "standard")
    if name == "none":
        return None
    return augmenters.standard() if name == "standard" else augmenters.FlipLeftRight()


def _measure(plan):
    """The callback that measures mAP, None where nothing can be measured."""
    every, val = plan.options.map_every, plan.data.val
    if val is None or not every:
        return None
    if not any((val.load_mask(i)[1] > 0).any() for i in val.image_ids[:MAP_IMAGES]):
        return None
    from mrcnn.engine.validation import MeanAveragePrecision

    return MeanAveragePrecision(val, every=every, limit=MAP_IMAGES, verbose=0)


def _callbacks(model, plan, table, measure, layers):
    """Those of a stage: mAP, the table, history.csv, the best checkpoint, early stopping."""
    import keras

    from mrcnn.commands.training.callbacks import HistoryFile
    from mrcnn.engine.callbacks import BestCheckpoint

    found = [measure] if measure else []
    if model.is_chief:
        found += [table, HistoryFile(model.log_dir, layers), BestCheckpoint()]
    if plan.options.patience:
        monitor = "val_mAP" if measure else "val_loss" if plan.data.val else "loss"
        found.append(keras.callbacks.EarlyStopping(
            monitor, mode="max" if measure else "min", patience=plan.options.patience))
    return found


def _draw_losses(folder):
    """losses.png, the curves of history.csv."""
    from mrcnn.commands.training.loss_curves import draw_losses

    rows = run_files.read_history(folder)
    if rows:
        draw_losses(rows, Path(folder, "losses.png"))


def closing_lines(folder, plan):
    """What was reached, and the commands that use it.

    Args:
        folder: of the run.
        plan: TrainPlan.
    """
    data, quoted = plan.data, shlex.quote(folder)
    best = next(iter(Path(folder).glob("mask_rcnn_*_best.h5")), None)
    rows = [row for row in run_files.read_history(folder) if row.get("val_mAP")]
    top = max(rows, key=lambda row: float(row["val_mAP"]), default=None)
    if top and not float(top["val_mAP"]):
        best = None  # where all found nothing the first counts as best, and the last is
    model = shlex.quote(str(best)) if best else quoted
    lines = [f"Trained: {folder}"]
    if top:
        lines.append(f"Best val_mAP {float(top['val_mAP']):.3f} after epoch {top['epoch']}"
                     + (f": {best}" if best else ""))
    lines.append("\nNext:")
    words = _val_words(folder, data, plan.options)
    if words:
        lines.append(f"  mrcnn evaluate {model} {words}")
    images = folder_of_images(data.val or data.train)
    lines.append(f"  mrcnn detect {model} {shlex.quote(images or 'IMAGE_OR_VIDEO')}")
    lines.append(f"  mrcnn train --resume {quoted} --epochs {plan.epochs + 10}")
    return "\n".join(lines)


def _val_words(folder, data, options):
    """The words of a command line that name the validation set, "" where they cannot."""
    if data.val is None:
        return ""
    if data.is_split:
        path = Path(folder, run_files.HELD_OUT)
        words = [path, "--images", folder_of_images(data.val)] if path.is_file() else []
    else:
        words = [data.val_path] if data.val_path else ["shapes"]
        words += ["--subset", data.val_subset] if data.val_subset else []
        words += options.source().words()
    return shlex.join(map(str, words))
