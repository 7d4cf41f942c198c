"""One call of `MaskRCNN.train`: checks at the door, feeds, optimizer, fit, checkpoints."""

import warnings

from mrcnn.data.training_feed import TrainingFeed
from mrcnn.engine.callbacks import all_callbacks
from mrcnn.engine.checkpoints import check_writable, restore_optimizer
from mrcnn.engine.faulty_images import admit
from mrcnn.engine.interruption import Interruption
from mrcnn.engine.layer_selection import kept_layers, set_trainable
from mrcnn.engine.monitors import admit_callbacks, check_settable_rate
from mrcnn.engine.optimizers import WarmupSchedule, batches_seen, learning_rate_of
from mrcnn.engine.validation import METRIC, MeanAveragePrecision
from mrcnn.engine.worker_callbacks import own_callbacks, saver_of, those_of
from mrcnn.engine.workers import team_of


def check_dataset(dataset, config, name):
    """Refuse a dataset that training would stumble over minutes later.

    Raises:
        ValueError: not prepared, empty, or with more or fewer classes than the model.
    """
    if not len(getattr(dataset, "image_ids", ())):
        raise ValueError(f"{name} has no images: add some and call {name}.prepare()")
    if dataset.num_classes != config.NUM_CLASSES:
        raise ValueError(
            f"{name} has {dataset.num_classes} classes with the background "
            f"({list(dataset.class_names)}), but NUM_CLASSES = {config.NUM_CLASSES}"
        )


def train(
    model,
    train_dataset,
    val_dataset,
    learning_rate,
    epochs,
    layers,
    augmentation=None,
    custom_callbacks=None,
    no_augmentation_sources=None,
    verbose="auto",
):
    """See `MaskRCNN.train`; `model` is the MaskRCNN."""
    with team_of(model).guarded():
        return _train(model, train_dataset, val_dataset, learning_rate, epochs, layers,
                      augmentation, custom_callbacks, no_augmentation_sources, verbose)


def _train(model, train_dataset, val_dataset, learning_rate, epochs, layers, augmentation,
           custom_callbacks, no_augmentation_sources, verbose):
    """`train`, whose errors end the other workers too, where there are some."""
    config, team = model.config, team_of(model)
    config.validate()
    custom = own_callbacks(team, admit_callbacks(custom_callbacks, val_dataset))
    measured = [c for c in custom if isinstance(c, MeanAveragePrecision)]
    _admit_datasets(config, train_dataset, val_dataset, measured)
    seed = team.agree(model, {"train_dataset": train_dataset, "val_dataset": val_dataset},
                      {"epochs": epochs, "layers": layers, "learning_rate": learning_rate})
    verbose = verbose if team.chief else 0
    chosen = set_trainable(model.keras_model, layers, config)
    if epochs <= model.epoch:
        print(
            f"Nothing to train: epochs = {epochs} counts from the start of the run, and "
            f"{model.epoch} epochs are done. Ask for more than {model.epoch}."
        )
        return None
    if team.chief:
        check_writable(model.log_dir)
    compile_for(model, learning_rate, epochs)
    check_settable_rate(custom, model.keras_model.optimizer)
    if verbose:
        print(
            f"\nStarting at epoch {model.epoch}, up to {epochs}. Training {len(chosen)} layers"
            f"{kept_layers(model.keras_model, config)}.\n"
            f"Checkpoint Path: {model.checkpoint_path}"
        )
    model.class_names = list(train_dataset.class_names)
    for callback in measured:
        callback.attach(model)
    share = (team.index, team.count)
    feed = TrainingFeed(train_dataset, config, augmentation=augmentation,
                        no_augmentation_sources=no_augmentation_sources,
                        first_batch=model.epoch * config.STEPS_PER_EPOCH, seed=seed, share=share)
    saver = saver_of(team)(model.checkpoint_path, config, model.class_names, layers)
    callbacks = those_of(team, all_callbacks(feed, saver, model.log_dir, custom))
    validation = validation_feed(val_dataset, config, seed, share)
    return _fit_or_save(model, feed, validation, epochs, callbacks, saver, verbose)


def _admit_datasets(config, train_dataset, val_dataset, measured):
    """The doors of all datasets; `measured` are the MeanAveragePrecision, which have their own."""
    check_dataset(train_dataset, config, "train_dataset")
    if val_dataset is not None:
        check_dataset(val_dataset, config, "val_dataset")
    named = [(train_dataset, "train_dataset"), (val_dataset, "val_dataset")]
    named += [(c.dataset, "the dataset of MeanAveragePrecision") for c in measured
              if c.dataset is not val_dataset and c.dataset is not train_dataset]
    for dataset, name in named:
        admit(dataset, config, name)


def _fit_or_save(model, feed, validation, epochs, callbacks, saver, verbose):
    """`fit`; where Ctrl-C ends it, what the epoch has learned is saved first."""
    interruption = Interruption()
    try:
        with interruption:
            history = fit(model, feed, validation, epochs, [*callbacks, interruption], verbose)
            team_of(model).share(None)  # the chief's last checkpoint is on disk
            return history
    except KeyboardInterrupt:
        if interruption.presses < 2:
            saver.save_interrupted(advise=verbose != 0)
        raise
    finally:
        model.epoch = saver.epoch or model.epoch


def validation_feed(dataset, config, seed=None, share=(0, 1)):
    """The same VALIDATION_STEPS batches after every epoch; None without a dataset.

    Args:
        dataset: prepared Dataset, or None.
        config: Config.
        seed: as of TrainingFeed.
        share: as of TrainingFeed.
    """
    if dataset is None or not config.VALIDATION_STEPS:
        return None
    return TrainingFeed(dataset, config, shuffle=False, batch_count=config.VALIDATION_STEPS,
                        seed=seed, share=share)


def compile_for(model, learning_rate, epochs):
    """Compile for the rest of the stage; take up the optimizer of a loaded checkpoint."""
    config = model.config
    steps = (epochs - model.epoch) * config.STEPS_PER_EPOCH
    rate = learning_rate_of(config, learning_rate, steps)
    model.compile(rate, config.LEARNING_MOMENTUM)
    path, model.resume_from = model.resume_from, None
    optimizer = model.keras_model.optimizer
    restored = path and restore_optimizer(path, optimizer, model.keras_model)
    if restored is True:
        print(f"Optimizer state restored from {path}")
    elif restored:
        print(f"Optimizer starts fresh: {restored}")
    team_of(model).share_variables([*model.keras_model.variables, *optimizer.variables])
    if isinstance(rate, WarmupSchedule):  # its steps count from the stage's beginning
        rate.total_steps += batches_seen(optimizer)


def fit(model, feed, validation, epochs, callbacks, verbose="auto"):
    """Keras' fit; an error in a feed surfaces as itself, with its image named."""
    try:
        with warnings.catch_warnings(), model.devices.fitting():
            # in the epochs between two evaluations, see MeanAveragePrecision
            warnings.filterwarnings("ignore", message=f".*`{METRIC}.*` which is not available")
            return model.keras_model.fit(
                feed,
                initial_epoch=model.epoch,
                epochs=epochs,
                steps_per_epoch=model.config.STEPS_PER_EPOCH,
                callbacks=callbacks,
                validation_data=validation,
                shuffle=False,  # the feed shuffles by itself
                verbose=verbose,
            )
    except Exception:
        for source in (feed, validation):
            if source is not None and source.error is not None:
                raise source.error from None
        raise
