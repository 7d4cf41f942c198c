"""torchvision's model in the GPU command."""

import numpy as np
import torch

from benchmarks import torchvision_model
from benchmarks.gpu_parts.ours import CLASSES, images_of, scenes
from benchmarks.measuring import seconds
from mrcnn.geometry.boxes import extract_bboxes

LOW = {"float32": None, "tf32": None, "bfloat16": torch.bfloat16}
PAD = 32
CANDIDATES, QUICK_CANDIDATES = 1000, 10  # boxes that reach suppression, an image


def inference_ways(model, case, device, quick):
    """{"network", "detect": function} of a case; both from host to host."""
    images = images_of(case)
    low = LOW[case.precision]
    torchvision_model.let_through(model, torchvision_model.to_device(images[:1], device.name),
                                  QUICK_CANDIDATES if quick else CANDIDATES)
    height, width = (-(-side // PAD) * PAD for side in (case.height, case.width))
    batch = torch.zeros(case.batch, 3, height, width)
    for place, image in zip(batch, images, strict=True):
        place[:, : case.height, : case.width] = torch.from_numpy(image).permute(2, 0, 1) / 255

    def lowered(function, *arguments):
        with torch.autocast(device.name, low, enabled=low is not None):
            return function(model, *arguments, device.name)

    return {"network": lambda: lowered(torchvision_model.network, batch),
            "detect": lambda: lowered(torchvision_model.detect, images)}


def build(case, device, quick):
    """The model for images of the case's size."""
    return torchvision_model.build(case.height, case.width, CLASSES, device.name, small=quick)


def training_seconds(model, case, device, steps, rounds):
    """Seconds of a step in each of some rounds, after a round that warms up.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    dataset = scenes(case, CLASSES)
    images, targets = [], []
    for image_id in dataset.image_ids:
        image = dataset.load_image(image_id)
        masks, class_ids = dataset.load_mask(image_id)
        images.append(torch.from_numpy(image).permute(2, 0, 1).float() / 255)
        targets.append(torchvision_model.targets_of(extract_bboxes(masks), class_ids, masks, "cpu"))
    step = torchvision_model.TrainingStep(model, device.name, LOW[case.precision])
    losses = []

    def some():
        losses.extend(step(images, targets) for _ in range(steps))

    spent = [seconds(some) for _ in range(1 + rounds)]
    if not np.isfinite(losses).all():
        raise FloatingPointError(f"losses {losses}")
    return np.array(spent[1:]) / steps
