"""`MaskRCNN`: the model people hold in their hands.

Longer than other files because it is the public contract: docstrings for the most part, while
the work is done in the files it imports.
"""

import copy
import functools
import os
import warnings

import numpy as np

from mrcnn import kernels
from mrcnn.config import Config
from mrcnn.data.anchoring import config_anchors
from mrcnn.engine import (
    distribution,
    evaluating,
    inference,
    inspection,
    keras_models,
    layer_selection,
    run_folders,
    tiling,
    training,
    validation,
)
from mrcnn.engine.checkpoints import read_checkpoint_meta
from mrcnn.engine.console import log
from mrcnn.engine.export import exporting
from mrcnn.engine.imagenet import backbone_weights_path
from mrcnn.engine.optimizers import build_optimizer
from mrcnn.engine.stale_config import ConfigSnapshot
from mrcnn.engine.weights import load_weights_by_name
from mrcnn.engine.weights_advice import other_settings
from mrcnn.engine.workers import team_of
from mrcnn.engine.zoo.reading import is_zoo_file
from mrcnn.geometry import boxes as box_geometry
from mrcnn.geometry import molding
from mrcnn.nets.assembly import build_model

ANCHOR_SHAPES = 16  # molded shapes whose anchors are kept; those of 1024 px fill 12 MB


class MaskRCNN:
    """Mask R-CNN in one of two modes, with Matterport's methods.

    Args:
        mode: "training" or "inference".
        config: Config instance.
        model_dir: folder for logs and checkpoints.

    Attributes:
        keras_model: the functional keras.Model.
        devices: those that share the batches of training, see `engine.distribution`.
        network: in inference mode, `keras_model` compiled for images of any size.
        epoch: epochs done, counted over the whole run.
        log_dir: folder of this run (made when training starts).
        checkpoint_path: checkpoint name of this run with a place for `epoch`.
        class_names: from the training set or the checkpoint; None if unknown.

    Raises:
        ValueError: unknown mode, or a knob that cannot work.
        TypeError: `config` is a class, or no Config.
    """

    def __init__(self, mode, config, model_dir="logs"):
        if mode not in ("training", "inference"):
            raise ValueError(f"mode = {mode!r}: expected 'training' or 'inference'")
        if isinstance(config, type):
            raise TypeError(f"config: expected an instance, received the class {config.__name__}")
        if not isinstance(config, Config):
            raise TypeError(f"config: expected a Config, received {type(config).__name__}")
        config.validate()
        kernels.prepare_devices()
        if config.SEED is not None:
            kernels.set_seed(config.SEED)
            kernels.repeat_exactly()
        self.mode, self.config, self.model_dir = mode, config, os.fspath(model_dir)
        self.class_names = None
        self.resume_from = None
        self._anchors_of = functools.lru_cache(ANCHOR_SHAPES)(self._make_anchors)
        self._built_with = ConfigSnapshot(config)
        self._as_built = copy.copy(config)  # anchors and the boxes' frame are those of the graph
        self.set_log_dir()
        self.devices = distribution.OneDevice()
        if mode == "training":
            self.devices = distribution.of_training(config)
        with self.devices.building():
            self.keras_model = keras_models.of_mode(self.build(mode, config), mode)
        self.network = None
        if mode == "inference":
            self.network = distribution.of_detection(
                config, functools.partial(inference.CompiledNetwork, self.keras_model))

    def build(self, mode, config):
        """The functional keras.Model of a mode; a subclass may build another one."""
        return build_model(mode, config)

    # ---- weights and runs -------------------------------------------------------------

    @classmethod
    def from_checkpoint(cls, path, mode="inference", model_dir="logs", **knobs):
        """Rebuild a model from a checkpoint written here: config, class names, epoch, weights.

        Args:
            path: `.h5` file.
            mode: "inference", or "training" to go on where it stopped.
            model_dir: as the constructor.
            **knobs: Config knobs to set instead of the stored ones (a BACKBONE that was a
                callable must be given here).

        Returns:
            MaskRCNN.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file holds weights only (a Matterport file, say).
        """
        meta = None if is_zoo_file(path) else read_checkpoint_meta(path)
        if meta is None or not meta.config:
            raise ValueError(
                f"{path} holds weights but no configuration: build MaskRCNN with your own "
                "Config (for torchvision's or detectron2's files one on mrcnn.presets) and call "
                "load_weights"
            )
        config = Config.from_dict(meta.config, **knobs)
        model = cls(mode, config, model_dir)
        model.load_weights(path, by_name=True)
        model.epoch = meta.epoch  # also of a file that was moved or renamed
        model.resume_from = path if mode == "training" else None
        return model

    def load_weights(self, filepath, by_name=False, exclude=None, verbose=0):
        """Load a legacy HDF5 file (Matterport's, an old port's, or written here), or the weights
        of torchvision's (`.pth`) or detectron2's (`.pkl`) Mask R-CNN into the preset for them.

        Args:
            filepath: the file.
            by_name: match layers by name; False matches by order, as Keras did, and needs
                the very same architecture.
            exclude: layer names to leave out ("heads" for those that depend on the number
                of classes); implies by_name.
            verbose: 1 prints what was loaded; in training mode it is printed anyway.

        Returns:
            LoadReport (loaded, skipped, missing, unused).

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file does not fit; nothing was loaded. The message says what would.
        """
        report = load_weights_by_name(
            self.keras_model,
            filepath,
            exclude=exclude or (),
            mode=self.mode,
            by_name=by_name or bool(exclude),
            verbose=verbose or self.mode == "training",
            config=self.config,
        )
        meta = None if is_zoo_file(filepath) else read_checkpoint_meta(filepath)
        if meta is not None:
            self.class_names = meta.class_names or self.class_names
            note = other_settings(filepath, meta.config, self.config)
            if note:
                report.notes.append(note)
                warnings.warn(note, stacklevel=2)
        self.set_log_dir(filepath)
        complete = meta is not None and not report.missing and not report.skipped
        goes_on = complete and self.epoch > 0 and self.mode == "training"
        self.resume_from = filepath if goes_on else None
        return report

    def get_imagenet_weights(self):
        """Download (once) the ImageNet weights of the backbone; returns the file's path."""
        return backbone_weights_path(self.config.BACKBONE, self.config.RESNET_STYLE)

    def find_last(self):
        """Path of the newest checkpoint of the newest run in `model_dir`.

        Raises:
            FileNotFoundError: there is none.
        """
        return run_folders.find_last_checkpoint(self.model_dir, self._name)

    def set_log_dir(self, model_path=None):
        """Name this run's folder: a new one, or that of the checkpoint to go on from."""
        run = run_folders.run_of_checkpoint(model_path, self._name) if model_path else None
        if run is None:
            self.epoch = 0
            self.log_dir = run_folders.new_run_folder(self.model_dir, self._name)
        else:
            folder, self.epoch = run
            self.log_dir = os.path.join(self.model_dir, folder)
        self.checkpoint_path = run_folders.checkpoint_pattern(self.log_dir, self._name)

    @property
    def is_chief(self):
        """False in a process that trains for another one, which writes the files (TF_CONFIG)."""
        return team_of(self).chief

    @property
    def _name(self):
        return str(self.config.NAME or "model")

    # ---- training ---------------------------------------------------------------------

    def train(
        self,
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
        """Train up to `epochs`, counted from the beginning of the run.

        Args:
            train_dataset: prepared Dataset.
            val_dataset: prepared Dataset, or None.
            learning_rate: number, or a Keras schedule.
            epochs: total; calling again with more goes on from there.
            layers: "heads", "3+", "4+", "5+", "all", or a regular expression.
            augmentation: an augmenter of `mrcnn.augmenters`, of Albumentations or imgaug, or a
                function (image, mask, rng) -> (image, mask).
            custom_callbacks: list of Keras callbacks; "val_mAP" in it stands for
                `MeanAveragePrecision(val_dataset)`.
            no_augmentation_sources: sources whose images stay as they are.
            verbose: as that of Keras' `fit`; 0 also leaves out the lines before it.

        Returns:
            Keras History, or None if nothing was left to train.

        Raises:
            ValueError: wrong mode, dataset, layers or knob; or a bad image, which is named.
            FloatingPointError: a loss became NaN; the images are named.
            PermissionError: the log folder cannot be written.
            ConnectionError: of several processes that train together (see `engine.workers`)
                another one is gone.
            KeyboardInterrupt: Ctrl-C, after the present step and when what it learned is saved.
        """
        self._need("training")
        self._built_with.warn_of_changes(self.config)
        return training.train(
            self,
            train_dataset,
            val_dataset,
            learning_rate,
            epochs,
            layers,
            augmentation,
            custom_callbacks,
            no_augmentation_sources,
            verbose,
        )

    def inference_twin(self):
        """A model in inference mode on the same variables: it detects with what is trained here.

        For a look while training; see `engine.validation`, which measures `val_mAP` with it.
        """
        self._need("training")
        return validation.inference_twin(self)

    def compile(self, learning_rate, momentum):
        """Attach losses, weight decay and optimizer; take up REMATERIALIZE."""
        self._need("training")
        with self.devices.building():
            optimizer, decay = build_optimizer(self.config, learning_rate, momentum)
            self.keras_model.configure_losses(self.config.LOSS_WEIGHTS, decay,
                                              self.config.WEIGHT_DECAY_MODE)
            self.keras_model.rematerialize(self.config.REMATERIALIZE)
            self.keras_model.compile(optimizer=optimizer, jit_compile=kernels.JIT_TRAINING)
        self.devices.adopt(self.keras_model)

    def set_trainable(self, layer_regex, keras_model=None, indent=0, verbose=1):
        """Freeze all layers but those whose name matches; returns the names trained.

        Args:
            layer_regex: one of the stages of `train`, or a regular expression.
            keras_model: another model than this one's.
            indent: spaces before the line that is printed.
            verbose: 1 prints how many layers will be trained.
        """
        names = layer_selection.set_trainable(keras_model or self.keras_model, layer_regex,
                                              self.config)
        if verbose:
            log(f"{' ' * indent}{len(names)} layers will be trained")
        return names

    def get_trainable_layers(self):
        """Layers that hold weights, nested models opened."""
        return layer_selection.trainable_layers(self.keras_model)

    def find_trainable_layer(self, layer):
        """The layer inside a wrapper, or the layer itself."""
        return layer_selection.unwrapped(layer)

    # ---- inference --------------------------------------------------------------------

    def detect(self, images, verbose=0, classes=None, min_confidence=None, masks="array"):
        """Find objects in any number of images of any sizes; safe from several threads.

        Args:
            images: list of [H0, W0, C] arrays (uint8 RGB as a rule).
            verbose: 1 prints what goes in.
            classes: names or ids of the classes to detect; None for all. What is more surely
                of another class is none of them; DETECTION_MAX_INSTANCES counts only these.
            min_confidence: lowest score, above or below DETECTION_MIN_CONFIDENCE, which holds
                where this is None.
            masks: "array" for bool arrays; "lazy" for `LazyMasks`, which are indexed like the
                array and take a thousandth of its memory; "rle" for COCO's run lengths.

        Returns:
            List of `Result`, one dict an image: "rois" [N, (y1, x1, y2, x2)] int32 pixels,
            "class_ids" [N] int32, "scores" [N] float32, "masks" [H0, W0, N] bool; best score
            first. A Result keeps its image too, as `image`.

        Raises:
            TypeError, ValueError: an image that is none, by its place in the list; an unknown
                class, or another option that is none.
        """
        self._need("inference")
        options = self._options(classes, min_confidence, masks)
        images = inference.check_images(images, self.config)
        if verbose:
            inference.log_images(images)
        results = [None] * len(images)
        for places, molded, metas, windows in inference.batches(images, self.config):
            originals = [images[i] for i in places]
            found = self._detect_batch(molded, metas, windows, originals, verbose, options)
            for i, result in zip(places, found, strict=True):
                results[i] = result
        return results

    def detect_molded(self, molded_images, image_metas, verbose=0):
        """`detect` for images that are molded already; results are in molded pixels.

        Args:
            molded_images: [B, H, W, C] float32, or a list of [H, W, C] of one shape.
            image_metas: [B, M].
            verbose: as `detect`.

        Returns:
            As `detect`, with boxes and masks relative to the molded image.

        Raises:
            ValueError: no images, or metas that are not of this many classes.
        """
        self._need("inference")
        molded, metas = np.asarray(molded_images), np.asarray(image_metas)
        size = self.config.IMAGE_META_SIZE
        if molded.ndim != 4 or not molded.size or metas.shape != (len(molded), size):
            raise ValueError(f"detect_molded: expected molded_images [B, H, W, C] and image_metas "
                             f"[B, {size}], received {molded.shape} and {metas.shape}")
        height, width = molded.shape[1:3]
        windows = np.tile(np.array([0, 0, height, width]), (len(molded), 1))
        if verbose:
            inference.log_images(molded)
        options = self._options(None, None, "array")
        return self._detect_batch(molded, metas, windows, list(molded), verbose, options)

    def detect_tiled(
        self,
        image,
        tile=None,
        overlap=0.25,
        merge=0.5,
        verbose=0,
        classes=None,
        min_confidence=None,
        masks="lazy",
    ):
        """Find objects in an image that is larger than the network, tile by tile.

        Objects that a tile's border cuts are put together again; see `engine.tiling`.

        Args:
            image: [H, W, C] or [H, W]; an array, or anything with `shape` that answers such
                slices with arrays and reads no more than those: np.memmap, tifffile.memmap,
                a zarr or h5py array.
            tile: side of a tile in pixels of the image, or (height, width); None for the
                network's own size (IMAGE_SHAPE; a square of IMAGE_MIN_DIM where the shortest edge
                decides). A smaller one enlarges small objects.
            overlap: share of a tile that the next one sees too, 0 up to below 1. Best where
                most objects fit into it.
            merge: how much of the smaller of two masks must lie in the other, where both tiles
                look, for the two to be one object; above 0, up to 1.
            verbose: 1 prints the progress.
            classes: as of `detect`, chosen when the tiles are merged.
            min_confidence: as of `detect`.
            masks: as of `detect`; "array" takes H * W bytes an object.

        Returns:
            Result of the whole image.

        Raises:
            TypeError, ValueError: no such image, or an option that is none.
        """
        self._need("inference")
        self._options(classes, min_confidence, masks)
        detect = functools.partial(self.detect, min_confidence=min_confidence, masks="lazy")
        result = tiling.detect_tiled(
            detect, image, self.config, tile, overlap, merge, verbose, self.class_names
        ).filter(classes)
        result["masks"] = inference.MASK_FORMS[masks](result["masks"])
        return result

    def _options(self, classes, min_confidence, masks):
        """(class ids or None, lowest confidence or None, form of the masks), checked."""
        names, count = self.class_names, self.network.class_count
        return *inference.check_options(classes, min_confidence, masks, names, count), masks

    def _detect_batch(self, molded, metas, windows, originals, verbose, options):
        anchors = self._batch_anchors(molded)
        if verbose:
            for name, array in (("molded_images", molded), ("image_metas", metas)):
                log(name, array)
            log("anchors", anchors)
        classes, min_confidence, form = options
        outputs = self.forward(molded, metas, anchors, min_confidence, classes)
        inference.warn_of_limit(outputs[0], self.config.DETECTION_MAX_INSTANCES)
        return inference.results_of(
            outputs, originals, windows, molded.shape[1:], form, self.class_names,
            self._as_built.box_edges, self.config.MASK_PASTE_FRAME,
        )

    def forward(self, molded_images, image_metas, anchors, min_confidence=None, classes=None):
        """Run the network, compiled once for all sizes; safe from several threads.

        Args:
            molded_images: [B, H, W, C]; image_metas: [B, M]; anchors: [B, A, 4] normalised.
            min_confidence: in place of DETECTION_MIN_CONFIDENCE, unless None.
            classes: ids of the classes to detect; None for all.

        Returns:
            The outputs of `keras_model` as numpy arrays.
        """
        self._need("inference")
        self._built_with.warn_of_changes(self.config)
        return self.network(
            self.config,
            molded_images,
            image_metas,
            anchors,
            min_confidence=min_confidence,
            classes=classes,
        )

    def mold_inputs(self, images):
        """Mold a list of images that come out of the same shape.

        Returns:
            molded_images [B, H, W, C] float32, image_metas [B, M], windows [B, 4] px.
        """
        return inference.mold_many(images, self.config)

    def unmold_detections(self, detections, mrcnn_mask, original_image_shape, image_shape, window):
        """One image's outputs in its own pixels: rois, class_ids, scores, masks.

        Args:
            detections: [D, (y1, x1, y2, x2, class_id, score)] normalised.
            mrcnn_mask: [D, h, w, classes].
            original_image_shape, image_shape: (H, W, C) of the caller's and the molded image.
            window: (y1, x1, y2, x2) pixels of the molded image without its padding.
        """
        return molding.unmold_detections(
            detections, mrcnn_mask, original_image_shape, image_shape, window,
            edges=self._as_built.box_edges, frame=self.config.MASK_PASTE_FRAME,
        )

    def get_anchors(self, image_shape):
        """Normalised anchors [A, 4] of an image shape (H, W, ...); `self.anchors` in pixels."""
        self.anchors, normalised = self._anchors_of(*(int(n) for n in image_shape[:2]))
        return normalised

    def _make_anchors(self, height, width):
        built = self._as_built
        pixels = config_anchors(built, (height, width, built.IMAGE_CHANNEL_COUNT))
        return pixels, box_geometry.norm_boxes(pixels, (height, width), built.box_edges)

    def _batch_anchors(self, molded):
        anchors = self.get_anchors(molded.shape[1:])
        return np.broadcast_to(anchors, (len(molded), *anchors.shape))

    def evaluate(
        self,
        dataset,
        iou_types=("bbox", "segm"),
        limit=None,
        image_ids=None,
        min_confidence=0.05,
        iou_thresholds=(0.5, 0.75),
        confidence=None,
        verbose=1,
        iou=0.5,
    ):
        """Measure the model on a data set: the COCO numbers, a table a class, confusion, curves.

        Args:
            dataset: prepared Dataset with the model's classes.
            iou_types: what to compare, "bbox" and "segm".
            limit: number of images, the first ones; None or 0 for all.
            image_ids: these images in place of all.
            min_confidence: detections below it are left out.
            iou_thresholds: further IoU thresholds to give the AP at.
            confidence: least score for confusion, precision and recall; None for
                DETECTION_MIN_CONFIDENCE.
            verbose: 1 shows how far it is.
            iou: least IoU for confusion, precision and recall.

        Returns:
            Evaluation: `.bbox["AP"]`, `.segm["AP50"]`, `.per_class`, `.confusion`, `.worst`;
            printed it is a table; `save_json(path)` and `save_html(path, dataset)` write it.

        Raises:
            ValueError: wrong mode or arguments, or classes that are not the model's.
            DataError, FileNotFoundError: an image or its masks cannot be read; it is named.
        """
        self._need("inference")
        return evaluating.evaluate(
            self,
            dataset,
            iou_types,
            limit,
            image_ids,
            min_confidence,
            iou_thresholds,
            confidence,
            verbose,
            iou,
        )

    # ---- export -----------------------------------------------------------------------

    def export(
        self,
        path,
        format=None,
        overwrite=False,
        weights="float32",
        image_type="uint8",
        image_shape=None,
    ):
        """Write the model for other programs, with the detection settings of this moment.

        A SavedModel and an ONNX file take plain images of any size and answer as `detect` does:
        resizing, anchors and masks in image pixels are inside. See `mrcnn.engine.export`.

        Args:
            path: a folder for a SavedModel, or a file ending in .onnx, .tflite or .keras.
            format: "saved_model", "onnx", "tflite" or "keras", where the ending does not say it.
            overwrite: replace an earlier export.
            weights: TFLite: "float32", or "float16" for half the size.
            image_type: type of the images, "uint8", "float32", or "uint16" (not of TFLite).
            image_shape: TFLite: (height, width) of its input, for an IMAGE_RESIZE_MODE other
                than "square", with which it is IMAGE_SHAPE.

        Returns:
            The path as text.

        Raises:
            ValueError, TypeError: training mode, another backend of Keras, an unknown format, or
                an option that does not belong to it.
            FileExistsError: something is there already.
            ImportError: ONNX without the packages onnx and tf2onnx.
        """
        options = {"weights": weights, "image_type": image_type, "image_shape": image_shape}
        return exporting.export(self, path, format, overwrite=overwrite, **options)

    # ---- looking inside ---------------------------------------------------------------

    def ancestor(self, tensor, name, checked=None):
        """The tensor of this name, for `run_graph`, or None.

        Args:
            tensor: accepted for Matterport's sake: the whole graph is searched.
            name: of a layer, for its output; or of a step inside the proposal layer,
                "ROI/pre_nms_anchors:0" and so on (`inspection.PROPOSAL_STEPS`).
            checked: accepted for Matterport's sake.
        """
        del tensor, checked
        return inspection.find_tensor(self.keras_model, name)

    def run_graph(self, images, outputs, image_metas=None):
        """Values of any tensors of the graph for some images; their shapes are printed.

        Args:
            images: list of images that come out of one molded shape. In training mode the
                arrays of one batch, as `DataGenerator` answers them.
            outputs: list of (name, tensor), tensors as `keras_model.get_layer(...).output` or
                `ancestor` answers them.
            image_metas: [B, M] of `images` that are molded already; None molds them.

        Returns:
            OrderedDict of name to numpy array.

        Raises:
            ValueError: a tensor is None, its name is given; or inputs that do not fit.
            TypeError: no tensor of the graph, or one image in place of a list.
        """
        if isinstance(images, np.ndarray) and images.ndim < 4:
            raise TypeError("run_graph: expected a list of images, received one array; pass "
                            "[image]")
        inputs = images
        if self.mode == "inference":
            self.network.up_to_date(self.config)
            if image_metas is None:
                images, image_metas, _ = self.mold_inputs(images)
            molded = np.asarray(images)
            inputs = [molded, image_metas, self._batch_anchors(molded)]
        return inspection.run_graph(self.keras_model, inputs, outputs)

    def _need(self, mode):
        if self.mode != mode:
            raise ValueError(f"this needs a model in {mode} mode; it was built for {self.mode}")
