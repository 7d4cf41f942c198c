"""From an image to a Result with an exported file of fixed input size, without TensorFlow.

    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from mrcnn.results.exported import finish, prepare, read_facts

    facts = read_facts("model.tflite")  # with TensorFlow: Interpreter = tf.lite.Interpreter
    run = Interpreter("model.tflite").get_signature_runner()
    resized, window = prepare(image, facts)
    result = finish(run(image=resized, window=window), image, facts)

A SavedModel and an ONNX file need none of this: they take the image as it is.
"""

import json
from pathlib import Path

import numpy as np

from mrcnn.geometry.boxes import pixel_boxes
from mrcnn.geometry.lazy_masks import LazyMasks
from mrcnn.geometry.resize import resize_image
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE
from mrcnn.results.result import Result


def read_facts(path):
    """What an exported TFLite file or SavedModel says of itself.

    Args:
        path: the .tflite file, beside which lies one of the same name and .json; or the folder
            of a SavedModel.

    Returns:
        dict, see `engine.export.metadata.description`.

    Raises:
        FileNotFoundError: no such description.
    """
    path = Path(path)
    source = path / "mrcnn.json" if path.is_dir() else path.with_name(f"{path.name}.json")
    return json.loads(source.read_text(encoding="utf-8"))


def prepare(image, facts):
    """An image as the exported network takes it, resized as `detect` resizes.

    Args:
        image: [H0, W0, C].
        facts: as of `read_facts`.

    Returns:
        resized [1, H, W, C] of the type asked for, window [1, (y1, x1, y2, x2)] float32 px of it.

    Raises:
        ValueError: the image has other channels, or comes out of another size than the network
            was exported for.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != facts["channels"]:
        raise ValueError(f"image: expected shape [H, W, {facts['channels']}], "
                         f"received {image.shape}")
    if facts["resize"]["mode"] in SHORTEST_EDGE:
        image = image.astype(np.float32)
    options = {name: facts["resize"][name] for name in ("mode", "min_dim", "max_dim", "min_scale")}
    resized, window, _, _, _ = resize_image(image, **options)
    if list(resized.shape[:2]) != facts["input_shape"]:
        raise ValueError(
            f"image: one of {image.shape[:2]} becomes {resized.shape[:2]} (resize mode "
            f"{options['mode']!r}); the network was exported for {tuple(facts['input_shape'])}")
    return resized[None].astype(facts["image_type"]), np.array([window], np.float32)


def finish(outputs, image, facts):
    """The Result of an image, from what the exported network answered.

    Args:
        outputs: dict: boxes [D, 4] float32, normalised as "box_normalization" says; class_ids
            [D], 0 behind the last detection; scores [D]; masks [D, h, w] float32.
        image: [H0, W0, C], the caller's.
        facts: as of `read_facts`.

    Returns:
        Result, as `MaskRCNN.detect` answers it with lazy masks.
    """
    edges = facts.get("box_normalization") == "edges"  # older descriptions do not say it
    frame = facts.get("mask_paste_frame", False)
    exact = pixel_boxes(np.asarray(outputs["boxes"]), image.shape, edges)
    boxes = np.around(exact).astype(np.int32)
    class_ids = np.asarray(outputs["class_ids"], np.int32)
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = np.flatnonzero((class_ids > 0) & has_area)
    objects = {
        "rois": boxes[kept],
        "class_ids": class_ids[kept],
        "scores": np.asarray(outputs["scores"], np.float32)[kept],
        "masks": LazyMasks((exact if frame else boxes)[kept], np.asarray(outputs["masks"])[kept],
                           image.shape, frame),
    }
    return Result(objects, image.shape, facts["class_names"], image)
