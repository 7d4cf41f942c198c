"""What is written of the results of a run: pictures, label images, labelme files."""

from pathlib import Path

import numpy as np

from mrcnn._atomic import atomic_path
from mrcnn.media.names import naming

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")  # others become .png
JPEG_QUALITY = 95
QUICK = 1  # of PNG's levels 0 to 9: a third of the time of the usual 6, a tenth more bytes


def write_picture(target, picture):
    """Writes [H, W, 3] uint8, or [H, W] uint16, to a file of the kind that its ending says.

    Raises:
        OSError: it cannot be written; the message names the file.
    """
    from PIL import Image

    ending = Path(target).suffix.lower()
    options = {"quality": JPEG_QUALITY} if ending in (".jpg", ".jpeg") else {}
    options = {"compress_level": QUICK} if ending == ".png" else options
    with naming(target), atomic_path(target, keep_ending=True) as path:
        Image.fromarray(picture).save(path, **options)


class PictureFiles:
    """Pictures in a folder, each called as its frame is: .jpg and .png as they came, else .png."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def add(self, frame, result, picture):
        """Writes one picture and returns its path."""
        ending = frame.path.suffix.lower()
        ending = ending if ending in PICTURE_ENDINGS else ".png"
        target = self.folder / f"{frame.name}{ending}"
        write_picture(target, picture)
        return target


class MaskFiles:
    """Label images: a PNG of 16 bits each, 0 where nothing is, k + 1 on the object k.

    The objects are in the order of the result, so k + 1 counts an image's annotations in the
    COCO file. Where objects overlap, the better score is seen.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def add(self, frame, result, picture):
        """Writes one label image and returns its path."""
        target = _folder_of(frame, self.folder) / f"{frame.name}.png"
        write_picture(target, label_image(result, frame.image.shape))
        return target


def label_image(result, shape):
    """[H, W] uint16 of a result; see `MaskFiles`."""
    labels, masks = np.zeros(shape[:2], np.uint16), result.windowed_masks()
    for i in np.argsort(result["scores"], kind="stable"):
        y1, x1, y2, x2 = masks.windows[i]
        labels[y1:y2, x1:x2][masks.inside(i)] = i + 1
    return labels


class LabelmeFiles:
    """Files for labelme, to correct by hand; of videos the frames beside them."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def add(self, frame, result, picture):
        """Writes one file and returns its path."""
        target, image_path = _folder_of(frame, self.folder) / f"{frame.name}.json", frame.path
        if frame.number is not None:
            image_path = target.with_suffix(".jpg")
            write_picture(image_path, np.squeeze(frame.image))
        with naming(target):
            result.to_labelme(target, image_path=image_path, overwrite=True)
        return target


def _folder_of(frame, folder):
    """Frames of a video get a folder of their own, called as the video is."""
    return folder if frame.number is None else folder / frame.name.rpartition("_")[0]
