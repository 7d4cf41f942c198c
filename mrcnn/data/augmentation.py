"""Augmentation of an image together with its masks.

Four kinds of augmentation are taken, told apart without importing any library:

* a built-in augmenter, see `mrcnn.augmenters`; it alone may add and remove objects;
* an Albumentations transform (version 2 or later), a composition or a single one;
* an imgaug augmenter, or anything with `to_deterministic` and `augment_image`: only augmenters
  that move pixels reach the masks;
* a callable `f(image, mask, rng) -> (image, mask)` with mask [H, W, N] bool and rng a
  `np.random.Generator`. Any other library fits into one.

All keep the shape and the type of the image.
"""

import copy
import random

import numpy as np

from mrcnn.data.augmenters.sample import Augmenter, Sample, masks_of, planes_of

# Augmenters that move pixels, or only hold others, by class name; a subclass counts as its base.
MASK_AUGMENTERS = (
    "Sequential", "SomeOf", "OneOf", "Sometimes", "Fliplr", "Flipud", "CropAndPad", "Crop", "Pad",
    "Affine", "PiecewiseAffine", "PerspectiveTransform", "ElasticTransformation", "Rot90",
)
KINDS = ("an augmenter of mrcnn.augmenters, an Albumentations transform, an imgaug augmenter or a "
         "callable (image, mask, rng) -> (image, mask)")


class MaskHooks:
    """Tells an imgaug augmenter which of its parts may touch masks (imgaug's hooks protocol)."""

    def is_activated(self, images, augmenter, parents, default):
        """True where a class of the augmenter stands in MASK_AUGMENTERS."""
        del images, parents, default
        return any(base.__name__ in MASK_AUGMENTERS for base in type(augmenter).__mro__)

    def is_propagating(self, images, augmenter, parents, default):
        """Leaves it to imgaug."""
        del images, augmenter, parents
        return default

    def preprocess(self, images, augmenter, parents):
        """Nothing to do."""
        del augmenter, parents
        return images

    def postprocess(self, images, augmenter, parents):
        """Nothing to do."""
        del augmenter, parents
        return images


def augment_image_and_mask(augmentation, image, mask, rng=None):
    """Applies an augmentation to an image and its masks, in register.

    Args:
        augmentation: see the module.
        image: [H, W, C].
        mask: [H, W, N] bool.
        rng: as `augment_sample` takes it.

    Returns:
        (image, mask) of the same shapes and types.

    Raises:
        TypeError, ValueError: as `augment_sample` does.
    """
    return augment_sample(augmentation, image, mask, np.ones(mask.shape[2], np.int32), rng)[:2]


def augment_sample(augmentation, image, mask, class_ids, rng=None, another=None):
    """Applies an augmentation to an image and its objects.

    Args:
        augmentation: see the module.
        image: [H, W, C].
        mask: [H, W, N] bool.
        class_ids: [N] int32; negative for a crowd.
        rng: np.random.Generator that decides everything. None leaves an imgaug augmenter to its
            own random state (`imgaug.seed`) and draws from the global `np.random` otherwise.
        another: f(rng) -> Sample of another image of the data set, for augmenters that paste.

    Returns:
        (image, mask, class_ids): the image of the same shape and type, mask [H, W, M] bool,
        class_ids [M].

    Raises:
        TypeError: the augmentation is of no known kind.
        ValueError: it changed a shape or a type, or answered something else than a pair.
    """
    if isinstance(augmentation, Augmenter):
        done = augmentation.apply(Sample(image, mask, class_ids), _generator(rng), another)
        image_out, mask_out, class_ids = done.image, done.masks, done.class_ids
        mask_shape = (*image.shape[:2], len(class_ids))
    else:
        image_out, mask_out = _with_other(augmentation, image, mask, rng)
        mask_shape = mask.shape
    _check_unchanged("image", image.shape, image_out.shape)
    _check_unchanged("mask", mask_shape, mask_out.shape)
    if image_out.dtype != image.dtype:
        raise ValueError(f"augmentation changed the image from {image.dtype} to "
                         f"{image_out.dtype}; it must keep the type")
    return image_out, mask_out.astype(bool, copy=False), class_ids


def _with_other(augmentation, image, mask, rng):
    """(image, mask) by anything but a built-in augmenter."""
    if _is_albumentations(augmentation):
        return _with_albumentations(augmentation, image, mask, _generator(rng))
    if hasattr(augmentation, "to_deterministic") and hasattr(augmentation, "augment_image"):
        return _with_imgaug(augmentation, image, mask, rng)
    if not callable(augmentation):
        raise TypeError(f"augmentation: expected {KINDS}, received {augmentation!r}")
    answer = augmentation(image, mask, _generator(rng))
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise ValueError("augmentation: expected the answer (image, mask), received "
                         f"{type(answer).__name__}")
    return tuple(np.asarray(part) for part in answer)


def _generator(rng):
    return np.random.default_rng(np.random.randint(2**31)) if rng is None else rng


def _check_unchanged(name, before, after):
    if after != before:
        raise ValueError(f"augmentation changed the {name} from shape {before} to {after}; it "
                         "must keep the shape (keep_size=True in imgaug, PadIfNeeded or Resize "
                         "behind a crop in Albumentations)")


def _is_albumentations(augmentation):
    return any(base.__module__.split(".")[0] == "albumentations"
               for base in type(augmentation).__mro__)


def _with_albumentations(transform, image, mask, rng):
    """A copy works, because a transform keeps its random numbers and its last parameters in itself.

    All parts of it share one source of chance: `set_random_seed` would give each the same
    numbers, and two flips would always flip together.
    """
    if not hasattr(transform, "set_random_state"):
        raise TypeError("augmentation: expected Albumentations 2 or later, whose transforms can "
                        "be seeded (set_random_state)")
    own = copy.deepcopy(transform)
    seed = int(rng.integers(2**31))
    own.set_random_state(np.random.default_rng(seed), random.Random(seed))
    if mask.shape[2] == 0:
        return np.asarray(own(image=image)["image"]), mask
    done = own(image=image, masks=planes_of(mask))
    planes = np.asarray(done["masks"])
    return np.asarray(done["image"]), masks_of(np.ascontiguousarray(planes) == 1)


def _with_imgaug(augmenter, image, mask, rng):
    """A deterministic copy serves both, so image and masks move alike.

    What imgaug fills in from outside the image is not 1 (a `cval` of 0 or 255, say), so only
    pixels equal to 1 are mask.
    """
    fixed = augmenter.to_deterministic()
    if rng is not None and hasattr(fixed, "seed_"):
        fixed.seed_(int(rng.integers(2**31)), deterministic_too=True)
    image_out = fixed.augment_image(image)
    if mask.shape[2] == 0:
        return image_out, mask
    plain = mask.astype(np.uint8, order="C")
    return image_out, fixed.augment_image(plain, hooks=MaskHooks()) == 1
