"""From the caller's images to molded batches, and from network outputs to results.

Shapes: B images, H0/W0 a caller's image, H/W the network's input, C channels, D detections.
"""

import os
import threading
import warnings

import numpy as np

from mrcnn import kernels
from mrcnn._config_checks import real
from mrcnn.data.image_checks import check_image
from mrcnn.engine.console import log
from mrcnn.engine.folding import FoldedModel
from mrcnn.geometry import molding
from mrcnn.geometry.resize import resize_image
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE
from mrcnn.layers.detection import settings_at_call
from mrcnn.layers.suppression import NEVER
from mrcnn.results.result import Result
from mrcnn.visualize.selection import class_numbers

BYTE = 255  # the largest pixel that a network for ordinary pictures knows

ARGUMENTS = (((3,), "float32"), ((None,), "bool"))  # of `settings_at_call`
# What `detect(masks=...)` makes of LazyMasks.
MASK_FORMS = {"array": np.asarray, "lazy": lambda masks: masks, "rle": lambda masks: masks.rles}
CONFIDENCE_CHECK = real(0, 1)
READING = "mrcnn.data.image_files.read_image(path) reads a file"


def resize_mode(config):
    """How `detect` resizes: a random crop would answer for some part of the image."""
    return "pad64" if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_RESIZE_MODE


def mold_one(image, config):
    """Resize, pad and mean-subtract one image.

    In the modes of `geometry.shortest_edge` pixels stay fractions after resizing, and the padding
    is zero in the molded image.

    Args:
        image: [H0, W0, C] in pixels values.
        config: Config.

    Returns:
        molded [H, W, C] float32, meta row [12 + classes], window (y1, x1, y2, x2) px.
    """
    mode = resize_mode(config)
    in_fractions = mode in SHORTEST_EDGE
    resized, window, scale, _, _ = resize_image(
        np.asarray(image, np.float32) if in_fractions else image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=mode,
    )
    active = np.zeros([config.NUM_CLASSES], np.int32)
    meta = molding.compose_image_meta(0, image.shape, resized.shape, window, scale, active)
    molded = molding.mold_image(resized, config.mean_pixel, None, config.image_std,
                                window if in_fractions else None)
    return molded, meta, window


def check_images(images, config):
    """The caller's images as a list of [H0, W0, C] arrays.

    Raises:
        TypeError: not a list of numeric arrays.
        ValueError: wrong number of channels or axes, or NaN; names the image's place.
    """
    if isinstance(images, (str, os.PathLike)):
        raise TypeError(f"images: expected a list of arrays, received the path {images}; {READING}")
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise TypeError("images: expected a list of images, received one array; pass [image]")
    try:
        images = list(images)
    except TypeError:
        raise TypeError(
            f"images: expected a list of arrays, received {type(images).__name__}"
        ) from None
    _refuse_paths(images)
    channels = config.IMAGE_CHANNEL_COUNT
    images = [check_image(image, channels, f"images[{i}]") for i, image in enumerate(images)]
    _warn_of_range(images, config)
    return images


def _refuse_paths(images):
    for i, image in enumerate(images):
        if isinstance(image, (str, os.PathLike)):
            raise TypeError(f"images[{i}]: expected a numpy array, received "
                            f"{type(image).__name__} {os.fspath(image)!r}; {READING}")


def _warn_of_range(images, config):
    """Floats in 0..1 look black to a network that expects 0..255, and 16 bits white."""
    small = [i for i, x in enumerate(images) if x.dtype.kind == "f" and 0.0 < x.max() <= 1.0]
    if small:
        warnings.warn(
            f"images[{small[0]}] holds floats of at most 1; pixels are expected in 0..255: "
            "multiply by 255",
            stacklevel=4,
        )
    wide = [i for i, x in enumerate(images) if x.dtype != np.uint8 and x.max() > BYTE]
    if wide and np.max(config.mean_pixel) <= BYTE:
        warnings.warn(
            f"images[{wide[0]}] holds values up to {images[wide[0]].max():g}; the model expects "
            "pixels in 0..255 (MEAN_PIXEL): divide images of 16 bits by 257",
            stacklevel=4,
        )


def mold_many(images, config):
    """Mold images that come out of one shape: molded [B, H, W, C], metas [B, M], windows [B, 4].

    Raises:
        ValueError: they come out of several shapes.
    """
    molded, metas, windows = zip(*(mold_one(image, config) for image in images), strict=True)
    shapes = sorted({m.shape for m in molded})
    if len(shapes) > 1:
        raise ValueError(
            f"images of one molded shape are needed, received {shapes}; `detect` takes any"
        )
    return np.stack(molded), np.stack(metas), np.stack(windows)


def batches(images, config):
    """Mold images and gather those of one molded shape, at most BATCH_SIZE together.

    Only the batches that are still filling are held, so a long list needs little memory.

    Yields:
        (places in `images`, molded [B, H, W, C], metas [B, M], windows [B, 4]); every place once.
    """
    filling = {}
    for place, image in enumerate(images):
        one = mold_one(image, config)
        batch = filling.setdefault(one[0].shape, [])
        batch.append((place, *one))
        if len(batch) == config.BATCH_SIZE:
            yield _stacked(filling.pop(one[0].shape))
    for batch in filling.values():
        yield _stacked(batch)


def _stacked(batch):
    places, *parts = zip(*batch, strict=True)
    return list(places), *(np.stack(part) for part in parts)


def results_of(outputs, originals, windows, molded_shape, form, class_names, edges=False,
               frame=False):
    """One Result an image.

    Args:
        outputs: of the network: [0] detections [B, D, 6], [3] masks [B, D, h, w, classes].
        originals: callers' images.
        windows: [B, 4] px.
        molded_shape: (H, W, C).
        form: of the masks, one of MASK_FORMS.
        class_names: list or None.
        edges, frame: as of `unmold_lazily`.

    Returns:
        List of Result.
    """
    results = []
    for row, (original, window) in enumerate(zip(originals, windows, strict=True)):
        rois, class_ids, scores, masks = molding.unmold_lazily(
            outputs[0][row], outputs[3][row], original.shape, molded_shape, window, edges, frame
        )
        masks = MASK_FORMS[form](masks)
        objects = {"rois": rois, "class_ids": class_ids, "scores": scores, "masks": masks}
        results.append(Result(objects, original.shape, class_names, original))
    return results


def check_options(classes, min_confidence, masks, class_names, class_count):
    """The options of one call of `detect`, checked.

    Returns:
        (ids of the wanted classes, or None for all; lowest confidence or None).

    Raises:
        ValueError: an unknown class, the background, a confidence out of 0..1, or an unknown
            form of masks.
    """
    if masks not in MASK_FORMS:
        raise ValueError(f"masks = {masks!r}: expected one of {list(MASK_FORMS)}")
    if min_confidence is not None:
        complaint = CONFIDENCE_CHECK("min_confidence", min_confidence)
        if complaint:
            raise ValueError(complaint)
        min_confidence = float(min_confidence)
    if classes is None:
        return None, min_confidence
    ids = class_numbers(classes, class_names)
    wrong = sorted(one for one in ids if not 0 < one < class_count)
    if wrong:
        raise ValueError(f"classes: {wrong[0]} is no class to detect: expected ids of 1 to "
                         f"{class_count - 1} (0 is the background)")
    return ids, min_confidence


def warn_of_limit(detections, limit):
    """Warn when an image gave as many detections as the limit lets through."""
    full = int(np.sum(np.all(detections[:, :, 4] > 0, axis=1)))
    if full:
        warnings.warn(
            f"{full} image(s) reached DETECTION_MAX_INSTANCES = {limit}: objects may have been "
            "cut; raise it (it can be changed on the config at any time); "
            "MAX_OBJECTS_PER_IMAGE raises all limits together, for a new model",
            stacklevel=4,
        )


def log_images(images):
    """Matterport's verbose output: the caller's images."""
    log(f"Processing {len(images)} images")
    for image in images:
        log("image", image)


class CompiledNetwork:
    """The inference graph as one compiled function; safe to call from several threads.

    Confidence, NMS thresholds and classes are arguments of the compiled function: changing them
    costs nothing. It is compiled anew when DETECTION_MAX_INSTANCES has changed, and only then.

    Batch-norm is folded into the convolutions, so the function computes with weights of its own.
    At each call it is checked whether the graph's weights were changed since, however that was
    done, and those of the function are renewed: a second for a ResNet-50, without compiling.

    Args:
        keras_model: the inference graph.
    """

    def __init__(self, keras_model):
        self.keras_model = keras_model
        self.layer = keras_model.get_layer("mrcnn_detection")
        self.class_count = self.layer.input[1].shape[-1]
        self._lock = threading.Lock()
        self._function = None
        self._adopted = None
        self._folded = None
        self._fingerprint = None

    def __call__(self, config, *inputs, min_confidence=None, classes=None):
        """Arrays in, the list of the graph's outputs as numpy arrays out.

        Args:
            config: Config.
            *inputs: as `keras_model` takes them.
            min_confidence: in place of DETECTION_MIN_CONFIDENCE.
            classes: ids of the classes to detect; None for all.
        """
        function = self.up_to_date(config)
        confidence = config.DETECTION_MIN_CONFIDENCE if min_confidence is None else min_confidence
        across = config.DETECTION_NMS_ACROSS_CLASSES
        thresholds = [confidence, config.DETECTION_NMS_THRESHOLD,
                      NEVER if across is None else across]
        wanted = np.full(self.class_count, classes is None)
        wanted[list(classes or ())] = True
        arrays = [np.asarray(x, np.float32) for x in (*inputs, thresholds)]
        return function(*arrays, wanted)

    @property
    def traces(self):
        """How often the current function has been traced: 1 whatever the images' sizes."""
        return self._function.traces

    def up_to_date(self, config):
        """The compiled function, once the graph has taken over the config's detection knobs."""
        knobs = (
            config.DETECTION_MAX_INSTANCES,
            config.DETECTION_MIN_CONFIDENCE,
            config.DETECTION_NMS_THRESHOLD,
            config.DETECTION_NMS_ACROSS_CLASSES,
        )
        with self._lock:
            if knobs != self._adopted:
                config.validate()
                if self.layer.adopt(config):
                    self.keras_model.make_predict_function(force=True)
                if self._adopted is None or knobs[0] != self._adopted[0]:
                    self._function = None
                self._adopted = knobs
            self._take_weights()
            return self._function

    def _take_weights(self):
        """Compile with the graph's present weights, or renew them where they have changed."""
        present = kernels.fingerprint(self.keras_model.variables)
        if self._folded is None:
            self._folded = FoldedModel(self.keras_model)
        if self._function is None:
            self._function = kernels.compile_forward(
                self._folded.model, ARGUMENTS, settings_at_call, self._folded.weights())
        elif present != self._fingerprint:
            self._function.renew(self._folded.weights())
        self._fingerprint = present
