"""From the caller's images to molded batches, and from network outputs to results.

Shapes: B images, H0/W0 a caller's image, H/W the network's input, C channels, D detections.
"""

import threading
import warnings

import numpy as np

from mrcnn import kernels
from mrcnn.data.image_checks import check_image
from mrcnn.engine.console import log
from mrcnn.geometry import molding
from mrcnn.geometry.resize import resize_image


def mold_one(image, config):
    """Resize, pad and mean-subtract one image.

    Args:
        image: [H0, W0, C] in pixels values.
        config: Config.

    Returns:
        molded [H, W, C] float32, meta row [12 + classes], window (y1, x1, y2, x2) px.
    """
    # Random crops are for training: they would answer for a part of the image, each time another.
    mode = "pad64" if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_RESIZE_MODE
    resized, window, scale, _, _ = resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=mode,
    )
    active = np.zeros([config.NUM_CLASSES], np.int32)
    meta = molding.compose_image_meta(0, image.shape, resized.shape, window, scale, active)
    return molding.mold_image(resized, config.mean_pixel), meta, window


def check_images(images, config):
    """The caller's images as a list of [H0, W0, C] arrays.

    Raises:
        TypeError: not a list of numeric arrays.
        ValueError: wrong number of channels or axes, or NaN; names the image's place.
    """
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise TypeError("images: expected a list of images, received one array; pass [image]")
    try:
        images = list(images)
    except TypeError:
        raise TypeError(
            f"images: expected a list of arrays, received {type(images).__name__}"
        ) from None
    channels = config.IMAGE_CHANNEL_COUNT
    images = [check_image(image, channels, f"images[{i}]") for i, image in enumerate(images)]
    _warn_of_unit_range(images)
    return images


def _warn_of_unit_range(images):
    """A float image in 0..1 looks black to a network that expects 0..255."""
    small = [i for i, x in enumerate(images) if x.dtype.kind == "f" and 0.0 < x.max() <= 1.0]
    if small:
        warnings.warn(
            f"images[{small[0]}] holds floats of at most 1; pixels are expected in 0..255: "
            "multiply by 255",
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


def results_of(detections, masks, originals, molded_shape, windows):
    """One result dict an image.

    Args:
        detections: [B, D, 6]; masks: [B, D, h, w, classes]; originals: shapes of the
            callers' images; molded_shape: (H, W, C); windows: [B, 4] px.

    Returns:
        List of {"rois" [N, 4] int32 px, "class_ids" [N], "scores" [N], "masks" [H0, W0, N]}.
    """
    results = []
    for row, original in enumerate(originals):
        rois, class_ids, scores, full = molding.unmold_detections(
            detections[row], masks[row], original, molded_shape, windows[row]
        )
        results.append({"rois": rois, "class_ids": class_ids, "scores": scores, "masks": full})
    return results


def warn_of_limit(detections, limit):
    """Warn when an image gave as many detections as the limit lets through."""
    full = int(np.sum(np.all(detections[:, :, 4] > 0, axis=1)))
    if full:
        warnings.warn(
            f"{full} image(s) reached DETECTION_MAX_INSTANCES = {limit}: objects may have been "
            "cut; raise it (it can be changed on the config at any time)",
            stacklevel=4,
        )


def log_images(images):
    """Matterport's verbose output: the caller's images."""
    log(f"Processing {len(images)} images")
    for image in images:
        log("image", image)


class CompiledNetwork:
    """The inference graph as one compiled function; safe to call from several threads.

    It is compiled anew when a detection knob of the config has changed, and only then.

    Args:
        keras_model: the inference graph.
    """

    def __init__(self, keras_model):
        self.keras_model = keras_model
        self.layer = keras_model.get_layer("mrcnn_detection")
        self._lock = threading.Lock()
        self._function = None
        self._adopted = None

    def __call__(self, config, *inputs):
        """Arrays in, the list of the graph's outputs as numpy arrays out."""
        function = self._up_to_date(config)
        return [np.asarray(out) for out in function(*(np.asarray(x, np.float32) for x in inputs))]

    @property
    def traces(self):
        """How often the current function has been traced: 1 whatever the images' sizes."""
        return self._function.experimental_get_tracing_count()

    def _up_to_date(self, config):
        knobs = (
            config.DETECTION_MAX_INSTANCES,
            config.DETECTION_MIN_CONFIDENCE,
            config.DETECTION_NMS_THRESHOLD,
        )
        with self._lock:
            if self._function is None or knobs != self._adopted:
                config.validate()
                if self.layer.adopt(config):
                    self.keras_model.make_predict_function(force=True)
                self._function = kernels.compile_forward(self.keras_model)
                self._adopted = knobs
            return self._function
