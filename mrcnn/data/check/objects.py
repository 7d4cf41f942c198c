"""The objects of one image: drawn, and told from those that cannot be.

Everything is measured in pixels of the image as it lies in its file, upright.
"""

from dataclasses import dataclass

import numpy as np

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.file_regions import VOID, leftover_values, read_labels
from mrcnn.data.formats.shape_checks import EntryError, check_within, shown
from mrcnn.data.ground_truth import check_mask


@dataclass
class Objects:
    """What is kept of the objects of an image.

    Attributes:
        class_ids: [N] int32, never negative.
        crowds: [N] bool.
        boxes: [N, (y1, x1, y2, x2)] float32 pixels around the mask, y2/x2 exclusive.
        areas: [N] int64, pixels of the mask.
    """

    class_ids: np.ndarray
    crowds: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray

    @classmethod
    def of(cls, rows):
        """From a list of (class_id, crowd, box, area)."""
        ids, crowds, boxes, areas = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(np.array(ids, np.int32), np.array(crowds, bool),
                   np.array(boxes, np.float32).reshape(-1, 4), np.array(areas, np.int64))


def measured(mask):
    """(box, area) of one mask [H, W] bool; the box is None where no pixel is set."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None, 0
    band = mask[rows[0]:rows[-1] + 1]
    columns = np.flatnonzero(band.any(axis=0))
    box = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return box, int(np.count_nonzero(band[:, columns[0]:columns[-1] + 1]))


def check_annotated(dataset, image_id, size):
    """Draws the objects of an AnnotatedDataset's image, one after the other.

    Args:
        dataset: AnnotatedDataset, prepared.
        image_id: its id.
        size: (height, width) of the image.

    Returns:
        (Objects, faults); faults is a list of (kind, message, region, file or None).
    """
    try:
        canvas, instances = np.zeros(size, bool), dataset.instances(image_id)
    except Exception as error:
        return Objects.of([]), [("mask-invalid", _text(error), "", None)]
    rows, faults = [], []
    for instance in instances:
        file = getattr(instance.region, "path", None)
        canvas[:] = False
        try:
            box = instance.region.box(size)
            if box is not None:
                check_within(box, size)
            instance.region.draw(canvas)
        except Exception as error:
            kind = error.kind if isinstance(error, EntryError) else "mask-invalid"
            faults.append((kind, _text(error), instance.place, file))
            continue
        box, area = measured(canvas)
        if box is None:
            faults.append((*_why_empty(dataset, image_id), instance.place, file))
        else:
            rows.append((instance.class_id, instance.crowd, box, area))
    label_image = dataset.image_info[image_id].get("label_image")
    return Objects.of(rows), faults + (_leftovers(label_image) if label_image else [])


def _why_empty(dataset, image_id):
    """(kind, message) of an object without a pixel: Pascal VOC hides the difficult ones."""
    label_image = dataset.image_info[image_id].get("label_image")
    if label_image and (read_labels(label_image[0]) == VOID).any():
        return "entry-ignored", "no pixel is its own; the label image hides it under void"
    return "mask-empty", "no pixel of the image is its own"


def _text(error):
    return str(error) or type(error).__name__


def _leftovers(label_image):
    """Faults of a label image [path, number of objects]: values that no object has."""
    path, count = label_image
    try:
        values = leftover_values(path, count)
    except Exception:
        return []  # each of its objects says so
    if not values:
        return []
    message = f"pixels of no object: there are {count}, and the values {shown(values)} besides"
    return [("mask-invalid", message, "", path)]


def check_loaded(dataset, image_id, size):
    """The objects that a Dataset of any kind answers; as `check_annotated`."""
    try:
        answer = dataset.load_mask(image_id)
        masks = check_mask(answer[0], size, "load_mask")
        class_ids = np.asarray(answer[1])
        if class_ids.shape != masks.shape[2:] or class_ids.dtype.kind not in "uibf":
            raise DataError(f"class_ids: expected one number for each of {masks.shape[2]} masks, "
                            f"received {class_ids.dtype} {class_ids.shape}")
    except Exception as error:
        return Objects.of([]), [("mask-invalid", _text(error), "load_mask", None)]
    rows, faults = [], []
    for i, class_id in enumerate(class_ids.tolist()):
        box, area = measured(masks[:, :, i])
        if box is None and class_id:  # an empty mask of class 0 says that there is nothing
            faults.append(("mask-empty", "no pixel is set", f"mask {i}", None))
        elif box is not None and not (1 <= abs(class_id) < dataset.num_classes
                                      and class_id == int(class_id)):
            message = (f"class id {class_id}: expected 1 to {dataset.num_classes - 1} (a crowd "
                       "has its id negated)")
            faults.append(("class-unknown", message, f"mask {i}", None))
        elif box is not None:
            rows.append((abs(int(class_id)), class_id < 0, box, area))
    return Objects.of(rows), faults
