"""What an exported model says of itself, as JSON."""

import json

from mrcnn import __version__
from mrcnn.engine.export.request import sides_divide_by

FILE_NAME = "mrcnn.json"
KEY = "mrcnn"  # of the metadata inside an ONNX file
LAYOUT = 1  # of this description


def description(model, request, resize_mode):
    """All that a program needs to use an exported file, in types that JSON holds.

    Args:
        model: MaskRCNN.
        request: Request.
        resize_mode: as the images are resized for detection.

    Returns:
        dict: layout, version, format, class_names (by id, the background first; None where they
        are not known), image_type, channels, weights, input_shape [height, width] or None,
        resize {mode, min_dim, max_dim, min_scale, multiple}, mean_pixel [C], image_std [C],
        box_normalization, mask_paste_frame, detection (the settings that are built in), config
        (`Config.to_dict`).
    """
    config = model.config
    names = None if model.class_names is None else [str(name) for name in model.class_names]
    return {
        "layout": LAYOUT,
        "version": __version__,
        "format": request.format,
        "class_names": names,
        "image_type": request.image_type,
        "channels": int(config.IMAGE_CHANNEL_COUNT),
        "weights": request.weights,
        "input_shape": None if request.image_shape is None else list(request.image_shape),
        "resize": {
            "mode": resize_mode,
            "min_dim": config.IMAGE_MIN_DIM,
            "max_dim": config.IMAGE_MAX_DIM,
            "min_scale": config.IMAGE_MIN_SCALE,
            "multiple": sides_divide_by(resize_mode),
        },
        "mean_pixel": [float(value) for value in config.mean_pixel],
        "image_std": [float(value) for value in config.image_std],
        "box_normalization": config.BOX_NORMALIZATION,
        "mask_paste_frame": bool(config.MASK_PASTE_FRAME),
        "detection": {
            "max_instances": int(config.DETECTION_MAX_INSTANCES),
            "min_confidence": config.DETECTION_MIN_CONFIDENCE,
            "nms_threshold": config.DETECTION_NMS_THRESHOLD,
            "nms_across_classes": config.DETECTION_NMS_ACROSS_CLASSES,
        },
        "config": config.to_dict(),
    }


def text_of(facts):
    """The JSON text of a description."""
    return json.dumps(facts, indent=1)
