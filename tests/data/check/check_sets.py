"""Small sets of real image files with objects that a test says, and broken ones."""

import numpy as np
from PIL import Image

from mrcnn.data.formats.annotated import AnnotatedDataset, Instance
from mrcnn.data.formats.outline_regions import Rectangle

EXIF_ORIENTATION = 0x0112


def picture(path, size=(48, 64), seed=0, turned=False):
    """Writes noise of (height, width) and answers the path as text."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    options = {}
    if turned:
        options["exif"] = Image.Exif()
        options["exif"][EXIF_ORIENTATION] = 6
    image.save(path, **options)
    return str(path)


def truncate(path, share=0.5):
    """Cuts a file off."""
    with open(path, "rb+") as file:
        file.truncate(int(len(file.read()) * share))


def dataset_of(*images, classes=("a", "b"), prepared=True):
    """An AnnotatedDataset; each image is (path, regions or Instances, size or None)."""
    dataset = AnnotatedDataset()
    for number, name in enumerate(classes):
        dataset.class_for("made", number + 1, name)
    for number, (path, regions, size) in enumerate(images):
        instances = [region if isinstance(region, Instance)
                     else Instance(1, region, f"region {i}") for i, region in enumerate(regions)]
        dataset.add_annotated("made", number, path, instances, *(size or (None, None)))
    if prepared:
        dataset.prepare()
    return dataset


def sound(folder, count=3, ending=".jpg"):
    """A prepared dataset of sound images with two rectangles each."""
    boxes = [Rectangle(4, 5, 20, 10), Rectangle(30, 10, 12, 30)]
    return dataset_of(*((picture(folder / f"{i}{ending}", seed=i), boxes, (48, 64))
                        for i in range(count)))
