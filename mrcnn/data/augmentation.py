"""Augmentation of an image together with its masks.

Two kinds of augmentation are taken:

* an imgaug augmenter, or anything with `to_deterministic` and `augment_image`: only augmenters
  that move pixels reach the masks;
* a callable `f(image, mask, rng) -> (image, mask)` with mask [H, W, N] bool and rng a
  `np.random.Generator`. Any other library fits into one, for example

      def augment(image, mask, rng):
          done = compose(image=image, mask=mask.astype("uint8"))
          return done["image"], done["mask"] > 0
"""

import numpy as np

# Augmenters that move pixels, or only hold others, by class name; a subclass counts as its base.
MASK_AUGMENTERS = (
    "Sequential", "SomeOf", "OneOf", "Sometimes", "Fliplr", "Flipud", "CropAndPad", "Crop", "Pad",
    "Affine", "PiecewiseAffine", "PerspectiveTransform", "ElasticTransformation", "Rot90",
)


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
        rng: np.random.Generator that decides everything. None leaves an imgaug augmenter to its
            own random state (`imgaug.seed`) and draws from the global `np.random` otherwise.

    Returns:
        (image, mask) of the same shapes and types.

    Raises:
        TypeError: the augmentation is neither of the two kinds.
        ValueError: it changed a shape or a type, or answered something else than a pair.
    """
    if hasattr(augmentation, "to_deterministic") and hasattr(augmentation, "augment_image"):
        image_out, mask_out = _with_imgaug(augmentation, image, mask, rng)
    elif callable(augmentation):
        if rng is None:
            rng = np.random.default_rng(np.random.randint(2**31))
        answer = augmentation(image, mask, rng)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise ValueError("augmentation: expected the answer (image, mask), received "
                             f"{type(answer).__name__}")
        image_out, mask_out = (np.asarray(part) for part in answer)
    else:
        raise TypeError("augmentation: expected an imgaug augmenter or a callable "
                        f"(image, mask, rng) -> (image, mask), received {augmentation!r}")
    _check_unchanged("image", image, image_out)
    _check_unchanged("mask", mask, mask_out)
    if image_out.dtype != image.dtype:
        raise ValueError(f"augmentation changed the image from {image.dtype} to "
                         f"{image_out.dtype}; it must keep the type")
    return image_out, mask_out.astype(bool)


def _check_unchanged(name, before, after):
    if after.shape != before.shape:
        raise ValueError(f"augmentation changed the {name} from shape {before.shape} to "
                         f"{after.shape}; it must keep the shape (keep_size=True in imgaug)")


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
    return image_out, fixed.augment_image(mask.astype(np.uint8), hooks=MaskHooks()) == 1
