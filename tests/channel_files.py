"""A folder of masks whose images have any number of channels, as 8 bits, 16 bits and floats."""

import cv2
import numpy as np
import tifffile
from PIL import Image

from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.mask_folders import read_masks

DTYPES = (np.uint8, np.uint16, np.float32)
TOP = {np.uint8: 256, np.uint16: 1000, np.float32: 255}


def write_image(path, array):
    """Writes [H, W, C] as PNG where that can hold it, else as TIFF; answers the path."""
    bands = array.shape[2]
    if array.dtype == np.float32 or bands not in (1, 3, 4):
        path = path.with_suffix(".tif")
        tifffile.imwrite(path, array[..., 0] if bands == 1 else array,
                         photometric="minisblack", planarconfig=None if bands == 1 else "contig")
    else:
        path = path.with_suffix(".png")
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[bands]
        assert cv2.imwrite(str(path), array[..., order])
    return path


def channel_set(folder, bands, side=64, per_type=2):
    """(prepared dataset, list of its images): `per_type` images of each type, two objects each."""
    rng = np.random.default_rng(bands)
    (folder / "images").mkdir(parents=True)
    arrays = []
    for dtype in DTYPES:
        for i in range(per_type):
            array = (rng.random((side, side, bands)) * 0.2 * TOP[dtype]).astype(dtype)
            name = f"{len(arrays)}"
            (folder / "masks" / name).mkdir(parents=True)
            for j, (y, x) in enumerate(((6, 8 + i), (36, 30))):
                mask = np.zeros((side, side), np.uint8)
                mask[y:y + 22, x:x + 24] = 255
                array[mask > 0] = TOP[dtype] * (0.9 - 0.3 * j)
                Image.fromarray(mask).save(folder / "masks" / name / f"{j}.png")
            write_image(folder / "images" / name, array)
            arrays.append(array)
    dataset = AnnotatedDataset()
    read_masks(dataset, folder)
    dataset.prepare()
    return dataset, arrays
