"""Reading image files: any number of channels, 8 and 16 bits and floats, upright.

What a file is, its first bytes say, not its ending: NumPy's `.npy`, TIFF (through tifffile, as
many bands as there are), PNG of 16 bits (through OpenCV; Pillow would cut RGB to 8 bits), and
everything else through Pillow. The EXIF orientation is applied to all of them.
"""

import struct
from pathlib import Path

import numpy as np

EXIF_ORIENTATION = 0x0112
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
PNG_NOTES = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")  # chunks that can hold an orientation
TRUST = "; if the file is to be trusted, raise PIL.Image.MAX_IMAGE_PIXELS"
LUMINANCE = (19595, 38470, 7471)  # ITU-R 601 in parts of 65536, as Pillow has it
# Photometric interpretations of a TIFF whose numbers are no grey, colour or band as they stand:
# white is zero, palette, CMYK, YCbCr, CIELAB.
TRANSLATED = (0, 3, 5, 6, 8)


def read_image(path, channels=3):
    """Reads an image file, upright, with the channels that are wanted if the file can give them.

    Palettes and CMYK become RGB, 1-bit images 0 and 255; of an animation the first frame counts.

    Args:
        path: file name, path or http(s) address.
        channels: 3: RGB; grey is repeated, an alpha channel dropped, more than four bands stay.
            1: grey; RGB becomes its luminance. 4: RGBA or four bands. Any other number, and
            what the file cannot give: all of the file's own bands.

    Returns:
        [H, W, C] uint8 as a rule; 16-bit and float files keep their type.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, a damaged one, or one of too many pixels.
    """
    return _guarded(path, lambda: _fitted(_bands(path), channels))


def read_bands(path):
    """All the bands of an image file as they are, [H, W, C]; errors as in `read_image`."""
    return _guarded(path, lambda: _bands(path))


def read_image_size(path):
    """(height, width) of an image file, upright, from its header alone.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or one of too many pixels.
    """
    return _guarded(path, lambda: _size(path))


def _guarded(path, read):
    if not _is_address(path) and not Path(path).exists():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        return read()
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"not a readable image file: {path} ({error})") from error


def _is_address(path):
    return str(path).startswith(("http://", "https://"))


def _kind(path):
    """"npy", "tiff", "png16" (one of 16 bits) or "other", by the first bytes."""
    with open(path, "rb") as file:
        start = file.read(32)
    if not start:
        raise ValueError("the file is empty")
    if start.startswith(np.lib.format.MAGIC_PREFIX):
        return "npy"
    if start.startswith(TIFF_MAGIC):
        return "tiff"
    return "png16" if start.startswith(PNG_MAGIC) and start[24:25] == b"\x10" else "other"


def _bands(path):
    if _is_address(path):
        from skimage import io

        image = np.asarray(io.imread(str(path)))
    else:
        readers = {"npy": _npy, "tiff": _tiff, "png16": _png16, "other": _pillow}
        image = readers[_kind(path)](path)
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    image = image.astype(image.dtype.newbyteorder("="), copy=False)  # the bytes' order of here
    image = image[:, :, None] if image.ndim == 2 else image
    if image.ndim != 3 or image.size == 0:
        raise ValueError(f"expected [H, W] or [H, W, C], received shape {image.shape}")
    return np.array(image) if isinstance(image, np.memmap) else np.ascontiguousarray(image)


def _size(path):
    kind = _kind(path)
    if kind in ("npy", "tiff"):
        return _npy(path).shape[:2] if kind == "npy" else _tiff_size(path)
    with _opened(path) as file:
        width, height = file.size
        sideways = _orientation(file, path) >= 5
    return (width, height) if sideways else (height, width)


def _check_pixels(height, width, size):
    """Pillow's own limit, for the files that Pillow does not open; `size` in bytes."""
    from PIL import Image

    most = Image.MAX_IMAGE_PIXELS
    if most is not None and (height * width > 2 * most or size > 64 * most):
        raise ValueError(f"{height} x {width} pixels of {size} bytes are more than {2 * most} or "
                         f"{64 * most}{TRUST}")


# --- NumPy -----------------------------------------------------------------------------------
def _npy(path):
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"expected [H, W] or [H, W, C], received shape {array.shape}")
    return array


# --- TIFF ------------------------------------------------------------------------------------
def _tiff(path):
    import tifffile

    with tifffile.TiffFile(path) as file:
        series, page = file.series[0], file.pages[0]
        _check_pixels(*_tiff_shape(series), series.nbytes)
        if page.photometric in TRANSLATED:
            return _pillow(path)
        if not _can_decode(page):
            return _tiff_of_others(path, page)
        image = _bands_last(series.asarray(), series.axes)
    return _turned(image, _tiff_orientation(page))


def _can_decode(page):
    """Most compressions need a package (imagecodecs) that only some people have."""
    import tifffile

    try:
        return tifffile.TIFF.DECOMPRESSORS[page.compression] is not None
    except (KeyError, ValueError, ImportError):
        return False


def _tiff_of_others(path, page):
    """Decodes through Pillow or, above 8 bits, through OpenCV."""
    if page.bitspersample <= 8 and page.samplesperpixel <= 4:
        return _pillow(path)
    return _opencv(path, _tiff_orientation(page))


def _tiff_size(path):
    import tifffile

    with tifffile.TiffFile(path) as file:
        height, width = _tiff_shape(file.series[0])
        _check_pixels(height, width, file.series[0].nbytes)
        sideways = _tiff_orientation(file.pages[0]) >= 5
    return (width, height) if sideways else (height, width)


def _tiff_shape(series):
    """(height, width) as stored."""
    if series.ndim not in (2, 3):
        raise ValueError(f"expected [H, W] or [H, W, C], received shape {series.shape}")
    first = _bands_are_first(series.shape, series.axes)
    return series.shape[1:] if first else series.shape[:2]


def _bands_last(image, axes):
    return np.moveaxis(image, 0, -1) if _bands_are_first(image.shape, axes) else image


def _bands_are_first(shape, axes):
    """Whether [C, H, W]: the file's own names of the axes say so, or else the shorter end."""
    if len(shape) == 2 or axes[-1] in "SC":
        return False
    return axes[0] in "SC" or shape[2] >= min(shape[:2])


def _tiff_orientation(page):
    tag = page.tags.get(EXIF_ORIENTATION)
    return _as_orientation(None if tag is None else tag.value)


# --- PNG of 16 bits --------------------------------------------------------------------------
def _png16(path):
    with _opened(path) as file:
        file.verify()  # OpenCV believes the lengths of its parts
    with _opened(path) as file:
        orientation = _orientation(file, path)
    return _opencv(path, orientation)


def _opencv(path, orientation):
    """The file through OpenCV, RGB."""
    import cv2

    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("damaged, or compressed in a way that needs the package imagecodecs")
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = image[:, :, [2, 1, 0, 3][: image.shape[2]]]
    return _turned(image, orientation)


# --- everything else -------------------------------------------------------------------------
def _pillow(path):
    from PIL import ImageOps

    with _opened(path) as image:
        ImageOps.exif_transpose(image, in_place=True)
        mode = image.mode
        if mode == "1":
            return np.array(image.convert("L"))
        if mode in ("PA", "La", "RGBa") or (mode == "P" and "transparency" in image.info):
            return np.array(image.convert("RGBA"))
        if mode in ("L", "LA", "RGB", "RGBA", "F") or mode.startswith("I"):
            return np.array(image)
        return np.array(image.convert("RGB"))


def _opened(path):
    from PIL import Image

    try:
        return Image.open(path)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{error}{TRUST}") from error


def _orientation(file, path):
    """The EXIF orientation, 1 to 8; Pillow would decode a whole PNG to find none."""
    if file.format == "PNG" and not _png_has_notes(path):
        return 1
    return _as_orientation(file.getexif().get(EXIF_ORIENTATION))


def _as_orientation(value):
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def _png_has_notes(path):
    with open(path, "rb") as file:
        file.seek(len(PNG_MAGIC))
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name in PNG_NOTES:
                return True
            file.seek(length + 4, 1)
    return False


# --- arrays ----------------------------------------------------------------------------------
def _turned(image, orientation):
    """Applies an EXIF orientation: 5 to 8 lie on their side, half of them mirrored."""
    if orientation >= 5:
        image = np.swapaxes(image, 0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _fitted(image, channels):
    """The wanted channels of [H, W, C], or all where they cannot be had."""
    bands = image.shape[2]
    if channels == 3 and bands in (1, 2):
        return np.repeat(image[:, :, :1], 3, axis=2)
    if channels == 3 and bands == 4:
        return np.ascontiguousarray(image[:, :, :3])
    if channels == 1 and bands == 2:
        return np.ascontiguousarray(image[:, :, :1])
    if channels == 1 and bands in (3, 4):
        return _luminance(image)
    if channels == 4 and bands == 2:  # grey with alpha
        return image[:, :, [0, 0, 0, 1]]
    return image


def _luminance(image):
    if image.dtype.kind == "f":
        weights = np.array(LUMINANCE, np.float64) / 65536
        return (image[:, :, :3] @ weights).astype(image.dtype)[:, :, None]
    total = image[:, :, :3].astype(np.int64) @ np.array(LUMINANCE, np.int64)
    return ((total + 32768) >> 16).astype(image.dtype)[:, :, None]
