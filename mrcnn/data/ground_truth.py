"""load_image_gt: one image with its objects, checked, resized, augmented, ready for training."""

import warnings
from functools import partial

import numpy as np

from mrcnn.data.augmentation import augment_sample
from mrcnn.data.augmenters.sample import Sample
from mrcnn.data.dataset import DataError, image_label
from mrcnn.data.image_cache import ResizedImage, image_key
from mrcnn.data.image_checks import check_image
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.masks import minimize_mask
from mrcnn.geometry.molding import compose_image_meta
from mrcnn.geometry.resize import resize_image, resize_mask
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE


def load_image_gt(dataset, config, image_id, augment=False, augmentation=None,
                  use_mini_mask=False, rng=None, cache=None):
    """Loads an image and its ground truth.

    Masks without a pixel are dropped: with a warning where the dataset gave them so, silently
    where resizing, cropping or augmentation left nothing of them. An empty mask of class 0 is a
    common way to say that there is no object; it is dropped in silence too.

    In the modes of `geometry.shortest_edge` padding is added last: mirroring and augmentation see
    the image alone, and its window is always at the top left.

    Args:
        dataset: a prepared Dataset.
        config: Config; the resize mode and its sizes, channels, classes, MINI_MASK_SHAPE.
        image_id: its id in `dataset`.
        augment: mirror the image left to right in one of two cases. Kept for old scripts;
            `augmentation` does more.
        augmentation: a built-in augmenter, an imgaug augmenter, an Albumentations transform or a
            callable, see `data.augmentation`.
        use_mini_mask: cut the masks to their boxes and shrink them to MINI_MASK_SHAPE.
        rng: np.random.Generator that decides on crop, mirroring and augmentation. None: the
            global generators, as in Matterport's.
        cache: ImageCache to look into before the image is read, and to fill; None for none.

    Returns:
        (image, image_meta, class_ids, bbox, masks):
        image: [H, W, C] of the dataset's type, not molded.
        image_meta: [12 + NUM_CLASSES] float64.
        class_ids: [N] int32; negative for a crowd.
        bbox: [N, 4] int32 pixels of the resized image.
        masks: [H, W, N] bool, or [*MINI_MASK_SHAPE, N].

    Raises:
        DataError: anything unusable, also what `load_image`, `load_mask` or the augmentation
            raised; the message names the image.
        FileNotFoundError: the image file is missing.
    """
    active = active_class_ids(dataset, config, image_id)
    found, image, mask, class_ids = _load(dataset, config, image_id, rng, cache)
    window = found.window
    if augment and _coin(rng):
        image, mask = np.ascontiguousarray(image[:, ::-1]), mask[:, ::-1]
        window = (window[0], image.shape[1] - window[3], window[2], image.shape[1] - window[1])
    if augmentation is not None:
        image, mask, class_ids = _named(
            dataset, image_id, "augmentation", augment_sample, augmentation, image, mask,
            class_ids, rng, partial(_load_another, dataset, config, image_id, cache=cache))
    bbox = extract_bboxes(mask)
    mask, class_ids, bbox = _without_empty(mask, class_ids, bbox)
    if use_mini_mask:
        mask = minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)
    if image.shape != found.image.shape:
        size = found.image.shape[:2]
        image, mask = _framed(image, size), mask if use_mini_mask else _framed(mask, size)
    meta = compose_image_meta(image_id, found.original_shape, image.shape, window, found.scale,
                              active)
    return image, meta, class_ids, bbox, mask


def _load_another(dataset, config, image_id, rng, cache):
    """Another image of the same source at its training size: a Sample, or None if it is alone.

    Only the classes of one source may meet in an image: it is taken to have been searched for
    them and for no others.
    """
    def fits(other):
        return other != image_id and dataset.image_info[other]["source"] == source

    source, ids = dataset.image_info[image_id]["source"], dataset.image_ids
    tried = (ids[rng.integers(len(ids))] for _ in range(50 if len(ids) else 0))
    chosen = next(filter(fits, tried), None)
    if chosen is None:  # a rare source: look at all
        fitting = list(filter(fits, ids))
        if not fitting:
            return None
        chosen = fitting[rng.integers(len(fitting))]
    return Sample(*_load(dataset, config, chosen, rng, cache)[1:])


def _framed(array, size):
    """An image or masks [h, w, ...] at the top left of zeros [*size, ...].

    Masks stay one after the other in memory.
    """
    framed = np.zeros((array.shape[2], *size), array.dtype).transpose(1, 2, 0) if (
        array.dtype == bool) else np.zeros((*size, array.shape[2]), array.dtype)
    framed[: array.shape[0], : array.shape[1]] = array
    return framed


def _coin(rng):
    return bool(np.random.randint(2) if rng is None else rng.integers(2))


def _named(dataset, image_id, what, function, *args):
    """Calls `function`; an error of it gets the image's name unless it carries it already."""
    try:
        return function(*args)
    except Exception as error:
        label = image_label(dataset, image_id)
        if label in str(error) or isinstance(error, MemoryError):
            raise
        raise DataError(f"image {label}: {what}: {type(error).__name__}: {error}") from error


def _load(dataset, config, image_id, rng, cache):
    """(ResizedImage, image and masks as augmentation sees them, class ids), all checked."""
    key = None if cache is None else image_key(dataset, config, image_id)
    found = None if key is None else cache.get(key)
    if found is None:
        found = _load_image(dataset, config, image_id, rng)
        if key is not None:
            cache.put(key, found)
    mask, class_ids, boxes = _load_mask(dataset, config, image_id, found.original_shape[:2])
    if config.IMAGE_RESIZE_MODE not in SHORTEST_EDGE:
        mask = resize_mask(mask, found.scale, found.padding, found.crop, boxes)
        return found, found.image, mask, class_ids
    height, width = found.window[2:]
    mask = resize_mask(mask, found.scale, [(0, 0)] * 3, None, boxes, (height, width))
    return found, np.ascontiguousarray(found.image[:height, :width]), mask, class_ids


def _load_image(dataset, config, image_id, rng):
    image = _named(dataset, image_id, "load_image", dataset.load_image_as, image_id,
                   config.IMAGE_CHANNEL_COUNT)
    image = _named(dataset, image_id, "load_image", check_image, image,
                   config.IMAGE_CHANNEL_COUNT, "image")
    resized, *how = resize_image(
        image, min_dim=config.IMAGE_MIN_DIM, max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE, mode=config.IMAGE_RESIZE_MODE, rng=rng,
    )
    return ResizedImage(resized, image.shape, *how)


def _load_mask(dataset, config, image_id, image_size):
    """(mask [H, W, N] bool, class ids [N], boxes [N, 4]) of the objects that have a pixel."""
    answer = _named(dataset, image_id, "load_mask", dataset.load_mask, image_id)
    where = f"image {image_label(dataset, image_id)}"
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise DataError(f"{where}: load_mask: expected (mask [H, W, N], class_ids [N]), "
                        f"received {type(answer).__name__}")
    mask = check_mask(answer[0], image_size, where)
    boxes = extract_bboxes(mask)
    kept = boxes[:, 2] > 0
    class_ids = check_class_ids(answer[1], kept, config.NUM_CLASSES, where)
    empty = int(np.count_nonzero(np.asarray(answer[1])[~kept]))
    if empty:
        warnings.warn(f"{where}: {empty} of {len(kept)} masks are empty (a box of no area); they "
                      "are left out", stacklevel=2)
    return mask if kept.all() else mask[:, :, kept], class_ids, boxes[kept]


def _without_empty(mask, class_ids, boxes):
    """What is left of each once the masks without a pixel are gone."""
    kept = boxes[:, 2] > 0
    if kept.all():
        return mask, class_ids, boxes
    return mask[:, :, kept], class_ids[kept], boxes[kept]


def active_class_ids(dataset, config, image_id):
    """Which classes the image's source has annotated: [NUM_CLASSES] of 0 and 1, int32.

    Raises:
        ValueError: the dataset is not prepared, has more classes than the config, or the
            image's source has no class.
    """
    classes = getattr(dataset, "num_classes", None)
    if classes is None:
        raise ValueError("call prepare() first: the dataset has no ids yet")
    if classes > config.NUM_CLASSES:
        raise ValueError(f"NUM_CLASSES: expected {classes}, the number of classes in the dataset "
                         f"with the background, received {config.NUM_CLASSES}")
    source = dataset.image_info[image_id]["source"]
    if source not in dataset.source_class_ids:
        raise DataError(f"image {image_label(dataset, image_id)}: its source {source!r} has no "
                        f"class; known sources are {list(dataset.source_class_ids)}")
    active = np.zeros(config.NUM_CLASSES, np.int32)
    active[dataset.source_class_ids[source]] = 1
    return active


def check_mask(mask, image_size, where):
    """The masks of an image as [H, W, N] bool.

    Args:
        mask: what `load_mask` answered: bool, or numbers of which all but 0 are the object.
        image_size: (H, W) of the image.
        where: how messages call the image.

    Raises:
        DataError: another type, shape or size, or NaN.
    """
    mask = np.asarray(mask)
    if mask.dtype.kind not in "buif":
        raise DataError(f"{where}: mask: expected bool or numbers, received {mask.dtype}")
    if mask.ndim != 3:
        raise DataError(f"{where}: mask: expected shape [H, W, N], received {mask.shape}")
    if mask.shape[2] == 0:
        return np.zeros((*image_size, 0), bool)
    if mask.shape[:2] != tuple(image_size):
        raise DataError(f"{where}: mask: expected the image's height and width "
                        f"{tuple(image_size)}, received {mask.shape[:2]}")
    if mask.dtype.kind == "f" and np.isnan(mask).any():
        raise DataError(f"{where}: mask: it holds NaN")
    return mask.astype(bool, copy=False)


def check_class_ids(class_ids, kept, num_classes, where):
    """The class ids of those masks that are kept, int32.

    Args:
        class_ids: what `load_mask` answered beside the masks; negative for a crowd.
        kept: [N] bool, one for each mask; the class of a mask that is dropped may be any.
        num_classes: with the background.
        where: how messages call the image.

    Raises:
        DataError: no whole numbers, not one a mask, or a class that does not exist.
    """
    class_ids = np.asarray(class_ids)
    if class_ids.shape != kept.shape:
        raise DataError(f"{where}: class_ids: expected one for each of {len(kept)} masks, "
                        f"received shape {class_ids.shape}")
    class_ids = class_ids[kept]
    if len(class_ids) == 0:
        return np.zeros(0, np.int32)
    whole = class_ids.dtype.kind in "uib" or (
        class_ids.dtype.kind == "f" and bool((class_ids == np.rint(class_ids)).all()))
    if not whole:
        raise DataError(f"{where}: class_ids: expected whole numbers, received "
                        f"{class_ids.dtype} {class_ids[:5].tolist()}")
    sizes = np.abs(class_ids.astype(np.int64))
    wrong = class_ids[(sizes < 1) | (sizes >= num_classes)]
    if len(wrong):
        raise DataError(f"{where}: class id {wrong[0]} is out of range: expected 1 to "
                        f"{num_classes - 1} (0 is the background, a crowd has its id negated)")
    return class_ids.astype(np.int32)
