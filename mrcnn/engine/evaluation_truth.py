"""The truth of a data set's images, as `Evaluator.add` takes it."""

import numpy as np

from mrcnn.data.dataset import DataError, image_label
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.coco_writer import coco_ids
from mrcnn.data.formats.file_regions import VOID, read_labels
from mrcnn.evaluation.records import encoded
from mrcnn.geometry.boxes import extract_bboxes


def truth_of(dataset, image_id, shape):
    """The objects of an image as `Evaluator.add` takes them, masks as run lengths.

    Args:
        dataset: prepared Dataset.
        image_id: its id there.
        shape: (H, W, ...) of the image.

    Raises:
        DataError: its masks cannot be read or do not fit the image; the message names it.
    """
    own = getattr(dataset.load_mask, "__func__", None) is AnnotatedDataset.load_mask
    label = image_label(dataset, image_id)
    try:
        return (_annotated if own else _loaded)(dataset, image_id, tuple(shape[:2]), label)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"image {label}: {error}") from error


def void_of(dataset, image_id):
    """Run lengths of the void pixels of an image, None where its label image marks none.

    Only Pascal VOC's label images have them: the seams between objects, and what is hidden.

    Raises:
        DataError: the label image cannot be read.
    """
    label_image = dataset.image_info[image_id].get("label_image")
    if not label_image:
        return None
    try:
        labels = read_labels(label_image[0])
    except (OSError, ValueError) as error:
        raise DataError(f"image {image_label(dataset, image_id)}: {error}") from error
    return encoded(labels[:, :, None] == VOID)[0]


def _loaded(dataset, image_id, size, label):
    """The truth of any Dataset: what `load_mask` answers."""
    masks, class_ids = dataset.load_mask(image_id)
    masks = np.asarray(masks)
    if not len(class_ids):
        masks = np.zeros((*size, 0), bool)
    if masks.ndim != 3 or masks.shape[:2] != size or masks.shape[2] != len(class_ids):
        raise DataError(f"image {label}: load_mask: expected masks [{size[0]}, {size[1]}, "
                        f"{len(class_ids)}], received {masks.shape}")
    masks = masks != 0
    kept = masks.any(axis=(0, 1))  # an object without a pixel is none, as in training
    masks, class_ids = masks[:, :, kept], np.asarray(class_ids)[kept]
    return {"rois": extract_bboxes(masks), "class_ids": class_ids, "rles": encoded(masks)}


def _annotated(dataset, image_id, size, label):
    """The truth of an AnnotatedDataset, drawn one by one; a COCO file's own areas and boxes."""
    from pycocotools import mask as rle

    stated = dataset.image_info[image_id]["source"] in dataset.records
    truth = {key: [] for key in ("rois", "class_ids", "rles", "areas", "bboxes")}
    for instance in dataset.instances(image_id):
        canvas = np.zeros(size, bool)
        try:
            instance.region.draw(canvas)
        except (OSError, ValueError) as error:
            raise DataError(f"image {label}, {instance.place}: {error}") from error
        code, more = encoded(canvas[:, :, None])[0], instance.more if stated else {}
        if not canvas.any() and not {"area", "bbox"} <= set(more):
            continue
        truth["rois"].append(extract_bboxes(canvas[:, :, None])[0])
        truth["class_ids"].append(-instance.class_id if instance.crowd else instance.class_id)
        truth["rles"].append(code)
        truth["areas"].append(more.get("area", float(rle.area(code))))
        truth["bboxes"].append(more.get("bbox", rle.toBbox(code).tolist()))
    return truth


def image_name(dataset, image_id):
    """How a report calls an image: its file's name, or source and id."""
    info = dataset.image_info[image_id]
    if info.get("path"):
        return str(info["path"]).replace("\\", "/").rsplit("/", 1)[-1]
    return f"{info.get('source', '')} {info.get('id', image_id)}"


def coco_numbers(dataset):
    """({image id: id in COCO files}, {class id: category id}), as `save_coco` writes them.

    Ids that are numbers here and texts there cannot be sorted: then those of the dataset.
    """
    numbers, categories = coco_ids(dataset)
    if len({type(number) for number in numbers.values()}) > 1:
        numbers = {image_id: image_id for image_id in numbers}
    return numbers, categories
