"""`Sample`: a data set with a command line. The scripts in `samples/` subclass it."""

import datetime
import os
import sys
from pathlib import Path

from mrcnn.commands import schools
from mrcnn.commands.samples import options, pictures, scoring
from mrcnn.config import Config
from mrcnn.data.dataset import DataError
from mrcnn.engine.published import coco_weights_path
from mrcnn.presets import with_preset

# What belongs to the classes of COCO and cannot serve for others.
HEAD_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
COCO_FILE = "mask_rcnn_coco.h5"


class SmallNetwork:
    """Knobs of a light network for images of 256 pixels, which learns from nothing on two cores.

    For a Config to inherit before its full-size one.
    """

    IMAGES_PER_GPU = 4
    IMAGE_MIN_DIM = 256
    IMAGE_MAX_DIM = 256
    RPN_ANCHOR_SCALES = (16, 32, 64, 128, 256)
    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 32
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CONV_CHANNELS = 128
    MASK_CONV_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    TRAIN_ROIS_PER_IMAGE = 64
    POST_NMS_ROIS_TRAINING = 400
    POST_NMS_ROIS_INFERENCE = 200
    TRAIN_BN = None
    OPTIMIZER = "adamw"
    LR_SCHEDULE = "cosine"
    WARMUP_STEPS = 30
    STAGES = (("all", 100, 1.0),)


class Sample:
    """A data set with the commands train, evaluate, detect and splash.

    Attributes:
        config: Config class. It has STAGES besides: rows of (layers, epochs, factor of the
            learning rate).
        small_config: another one for `--small`; None for none.
        inference: knobs that all commands but train use.
        evaluation: knobs that evaluate uses besides.
        commands: those that the sample has.
        subsets: names for `--subset`; empty where there is no `--dataset`.
        train_subset, val_subset: what train uses, and evaluate and detect the second, where
            `--subset` does not say.
        years: for `--year`, the first is the default; empty where there is no such option.
        limit: images that evaluate takes where `--limit` does not say; None for all.
        limit_names: how that option is called.
        default_weights: command -> `--weights` where it is not given.
        has_coco_classes: True where the COCO weights know the sample's classes.
        class_names: by class id, for weights that do not hold them; None for "class 1" ...
    """

    config = None
    small_config = None
    inference = {}
    evaluation = {}
    commands = ("train", "evaluate", "detect", "splash")
    subsets = ("train", "val")
    train_subset, val_subset = "train", "val"
    years = ()
    limit = None
    limit_names = ("--limit",)
    default_weights = {}
    has_coco_classes = False
    class_names = None

    # --- for subclasses -----------------------------------------------------------------------

    def load(self, args, subset):
        """The prepared Dataset of a subset."""
        raise NotImplementedError(f"{type(self).__name__}.load")

    def augmentation(self, args):
        """What `MaskRCNN.train` takes as `augmentation`."""
        return None

    def add_arguments(self, parser):
        """Adds options of the sample's own."""

    # --- commands -----------------------------------------------------------------------------

    def main(self, argv=None):
        """Runs the command line; a mistake or bad data ends it with one line of text.

        Args:
            argv: list of texts; None for those of the process.

        Returns:
            what the command answers.
        """
        args = options.parse(self, argv)
        try:
            return getattr(self, args.command)(args)
        except (DataError, OSError) as error:
            sys.exit(f"error: {error}")

    def train(self, args):
        """Trains the stages of the configuration; returns the path of the last checkpoint."""
        train_set = self.dataset_of(args, args.subset or self.train_subset)
        val_set = self.dataset_of(args, self.val_subset)
        model = self.open_model(args)
        for layers, epochs, factor in stages_up_to(model.config.STAGES, args.epochs):
            print(f"Training {layers} up to epoch {epochs}")
            model.train(train_set, val_set, learning_rate=model.config.LEARNING_RATE * factor,
                        epochs=epochs, layers=layers, augmentation=self.augmentation(args))
        path = model.find_last()
        print("Weights:", path)
        return path

    def evaluate(self, args):
        """Prints and returns the COCO numbers of the model."""
        dataset = self.dataset_of(args, self.subset_of(args))
        return scoring.evaluate(self.open_model(args), dataset, args.limit or self.limit)

    def detect(self, args):
        """Writes pictures of what was found into a new folder, or `--output`; returns its path.

        In an image, a folder of images, a video, or a subset of the data set.
        """
        folder = args.output or self.results_folder(args)
        if args.video:
            self.detect_in_video(args, folder)
        elif args.image:
            model = self.open_model(args)
            for path in pictures.images_of(args.image):
                image = pictures.read_picture(path)
                self.show(Path(path).stem, image, model.detect([image])[0], model, folder)
        else:
            dataset = self.dataset_of(args, self.subset_of(args))
            model = self.open_model(args)
            model.class_names = dataset.class_names
            for image_id, image, result in scoring.detections(model, dataset, args.limit):
                name = Path(str(dataset.image_info[image_id]["id"])).stem
                self.show(name, image, result, model, folder)
        print(f"Pictures: {folder}")
        return folder

    def splash(self, args):
        """Writes a picture or video with colour only where instances are; returns its path."""
        model = self.open_model(args)
        if args.video:
            return pictures.splash_video(model, args.video)
        made = [pictures.segment_image(model, path) for path in pictures.images_of(args.image)]
        return made[0] if len(made) == 1 else made

    # --- parts of them ------------------------------------------------------------------------

    def subset_of(self, args):
        """The subset to evaluate or to detect in."""
        return args.subset or self.val_subset

    def dataset_of(self, args, subset):
        """What `load` answers; whatever it finds wrong in the files ends the command."""
        try:
            return self.load(args, subset)
        except ValueError as error:
            raise DataError(f"{subset}: {error}") from error

    def config_class(self, args):
        """The Config class of a command, on the preset of `--preset`."""
        chosen = self.small_config if args.small else self.config
        return with_preset(chosen, args.preset) if args.preset else chosen

    def make_config(self, args):
        """The Config of a command."""
        config = self.config_class(args)()
        if args.steps:
            config.STEPS_PER_EPOCH = args.steps
        if schools.school_of(config.PRESET):
            self._join_school(config, args)
        if args.command != "train":
            config.GPU_COUNT = config.IMAGES_PER_GPU = 1
            more = self.evaluation if args.command == "evaluate" else {}
            for knob, value in {**self.inference, **more}.items():
                setattr(config, knob, value)
        return config

    def _join_school(self, config, args):
        """A school trains all layers at once, as long as the sample does."""
        config.STAGES = (("all", args.epochs or config.STAGES[-1][1], 1.0),)
        own = [cls for cls in (self.small_config if args.small else self.config).__mro__
               if cls.__module__ not in (Config.__module__, with_preset.__module__)]
        run = schools.run_knobs(config, config.STEPS_PER_EPOCH * config.STAGES[0][1])
        more = schools.NOTHING_FROZEN if args.weights == "none" else {}
        for knob, value in {**run, **more}.items():
            if not any(knob in vars(cls) for cls in own):
                setattr(config, knob, value)

    def open_model(self, args):
        """A MaskRCNN for a command, with its weights; TensorFlow is loaded here."""
        from mrcnn._versions import check_versions

        check_versions()
        from mrcnn.engine.mask_rcnn import MaskRCNN

        config = self.make_config(args)
        config.display()
        mode = "training" if args.command == "train" else "inference"
        model = MaskRCNN(mode=mode, config=config, model_dir=args.logs)
        path, exclude = args.weights, None
        try:
            if path == "imagenet":
                path = model.get_imagenet_weights()
            elif path == "coco":
                path, known = self._coco_weights(config)
                exclude = None if known else HEAD_LAYERS
            print("Weights:", path)
            if path != "none":
                model.load_weights(path, by_name=True, exclude=exclude)
        except ValueError as error:  # weights that do not fit: said in full by the message
            sys.exit(f"error: {error}")
        return model

    def _coco_weights(self, config):
        """(path of the school's weights for COCO, whether its heads know the sample's classes)."""
        school = schools.school_of(config.PRESET)
        if school is None:
            return coco_weights(), self.has_coco_classes
        path = coco_weights_path(school, config.BACKBONE)
        return path, self.has_coco_classes and school != "torchvision"  # that has 91

    def results_folder(self, args):
        """A folder name that no earlier call used."""
        now = datetime.datetime.now()
        return os.path.join("results", f"{self.config.NAME}_{now:%Y%m%dT%H%M%S}")

    def show(self, name, image, result, model, folder):
        """Writes the picture of an image with its detections, and prints a line.

        Args:
            name: of the picture, without its ending.
            image: [H, W, C]; result: of `model.detect`, for this image.
            model: MaskRCNN, for the class names.
            folder: where the picture goes.
        """
        names = self.names_of(model)
        picture = pictures.paint_detections(image, result, names)
        pictures.write_picture(Path(folder, f"{name}.png"), picture)
        found = ", ".join(f"{names[c]} {s:.2f}" for c, s in
                          zip(result["class_ids"][:5], result["scores"][:5], strict=True))
        count = len(result["class_ids"])
        print(f"{name}: {count} instances{': ' + found if count else ''}"
              f"{' ...' if count > 5 else ''}")

    def names_of(self, model):
        """Names by class id, the background first."""
        numbers = range(model.config.NUM_CLASSES)
        return model.class_names or self.class_names or [f"class {i}" for i in numbers]

    def detect_in_video(self, args, folder):
        """Writes the video with detections painted on every frame."""
        model = self.open_model(args)
        names = self.names_of(model)
        target = Path(folder, Path(args.video).stem + pictures.video_ending(args.video))

        def paint(frames):
            return [pictures.paint_detections(frame, result, names)
                    for frame, result in zip(frames, model.detect(frames), strict=True)]

        pictures.rewrite_video(args.video, target, paint, model.config.BATCH_SIZE)


def stages_up_to(stages, epochs):
    """The stages that training up to `epochs` takes; the last one is stretched where needed.

    Args:
        stages: rows of (layers, epochs, factor), epochs counted from the start of the run.
        epochs: the last epoch wanted; None for that of the last stage.
    """
    chosen = []
    for layers, last, factor in stages:
        chosen.append((layers, min(last, epochs or last), factor))
        if epochs and last >= epochs:
            return chosen
    layers, last, factor = chosen[-1]
    return [*chosen[:-1], (layers, epochs or last, factor)]


def coco_weights():
    """Path of Matterport's COCO weights: here in this folder, downloaded on first use."""
    from mrcnn.engine.downloads import download_trained_weights

    return download_trained_weights(COCO_FILE)
