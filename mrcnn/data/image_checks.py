"""What counts as an image, checked where it enters."""

import numpy as np


def check_image(image, channels, what):
    """An image with the number of channels the network takes.

    Args:
        image: [H, W] or [H, W, C] numpy array of numbers.
        channels: Config.IMAGE_CHANNEL_COUNT.
        what: how error messages call the image.

    Returns:
        [H, W, channels], same dtype. Grey becomes one or three equal channels, three equal
        channels become one where one is wanted, and an alpha channel is dropped where three
        are wanted.

    Raises:
        TypeError: no numpy array of integers or floats.
        ValueError: empty, wrong axes or channels, or NaN or infinite values.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"{what}: expected a numpy array, received {type(image).__name__}")
    if image.dtype.kind not in "uif":
        raise TypeError(f"{what}: expected numbers (uint8 as a rule), received {image.dtype}")
    if image.size == 0:
        raise ValueError(f"{what}: the image is empty, shape {image.shape}")
    if image.ndim == 2:
        image = image[..., np.newaxis]
    if image.ndim != 3:
        raise ValueError(f"{what}: expected [H, W, {channels}], received shape {image.shape}")
    if image.shape[-1] == 1 and channels == 3:
        image = np.repeat(image, 3, axis=-1)
    elif image.shape[-1] == 4 and channels == 3:
        image = image[..., :3]
    elif image.shape[-1] == 3 and channels == 1 and (image == image[..., :1]).all():
        image = image[..., :1]
    if image.shape[-1] != channels:
        raise ValueError(
            f"{what}: expected {channels} channels (IMAGE_CHANNEL_COUNT), "
            f"received shape {image.shape}"
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(f"{what}: the image holds NaN or infinite values")
    return image
