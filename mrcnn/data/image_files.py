"""Reading an image file into RGB."""

from pathlib import Path

import numpy as np

TIFF = (".tif", ".tiff")
EXIF_ORIENTATION = 0x0112


def read_image(path):
    """Reads an image file, upright and without its alpha channel.

    The EXIF orientation is applied, grey becomes RGB, palettes and CMYK are converted. TIFF
    files and http addresses are read through scikit-image, so that many channels and 16 bits
    survive; those keep their type and, above four channels, their channels.

    Args:
        path: file name, path or http(s) address.

    Returns:
        [H, W, 3] uint8 as a rule.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or a damaged one.
    """
    text = str(path)
    is_address = text.startswith(("http://", "https://"))
    if not is_address and not Path(path).exists():
        raise FileNotFoundError(f"no such file: {text}")
    try:
        if is_address or text.lower().endswith(TIFF):
            return as_rgb(_read_with_skimage(text))
        return as_rgb(_read_with_pillow(path))
    except Exception as error:
        raise ValueError(f"not a readable image file: {text} ({error})") from error


def read_image_size(path):
    """(height, width) of an image file, upright, from its header alone.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image.
    """
    from PIL import Image

    if not Path(path).exists():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with Image.open(path) as file:
            width, height = file.size
            turned = file.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception as error:
        raise ValueError(f"not a readable image file: {path} ({error})") from error
    return (width, height) if turned else (height, width)


def _read_with_skimage(path):
    from skimage import io

    return np.asarray(io.imread(path))


def _read_with_pillow(path):
    from PIL import Image, ImageOps

    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file)
        if upright.mode in ("L", "RGB", "F") or upright.mode.startswith("I"):
            return np.array(upright)
        return np.array(upright.convert("RGB"))


def as_rgb(image):
    """[H, W], [H, W, 1], grey with alpha, RGBA -> [H, W, 3]; more channels stay as they are.

    Raises:
        ValueError: `image` has not two or three dimensions.
    """
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3:
        raise ValueError(f"expected [H, W] or [H, W, C], received shape {image.shape}")
    channels = image.shape[2]
    if channels in (1, 2):
        return np.repeat(image[:, :, :1], 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3]) if channels == 4 else image
