"""COCO JSON written while detections come, in memory that does not grow with them."""

import json
import os
import tempfile
from contextlib import contextmanager, suppress
from os.path import relpath
from pathlib import Path

from pycocotools import mask as coding

from mrcnn._atomic import atomic_path
from mrcnn.media.names import naming, partial_path


@contextmanager
def writing_coco(path, class_names, root=None):
    """Yields a CocoFile that gets its name when the body ends; arguments as of that.

    Ctrl-C keeps what is there so far as sound JSON under the name of `names.partial_path`; any
    other error leaves nothing.
    """
    with atomic_path(path) as unfinished, tempfile.TemporaryFile(
            "w+", encoding="utf-8", dir=unfinished.parent) as images:
        file = open(unfinished, "w", encoding="utf-8")
        writer = CocoFile(file, images, class_names, path, root)
        try:
            yield writer
            writer.close()
        except KeyboardInterrupt:
            writer.close()
            os.replace(unfinished, partial_path(path))
            raise
        finally:
            with suppress(OSError):  # a full disk: the error is on its way already
                file.close()


class CocoFile:
    """A file as COCO's annotation files are, with a score at every annotation.

        {"categories": [...], "annotations": [...], "images": [...]}

    `COCO(path)` reads it whole, as `load_dataset` does; its "annotations" alone are what
    `COCO.loadRes` takes. Category ids are class ids. An image's "file_name" is its path below
    `root`; that of a video's frame the name that `mrcnn frames` gives it, with "video", "frame"
    and "time" beside it.

    Args:
        file: text file to write to.
        images: another one, for the list of images until the end.
        class_names: by class id, the background first.
        shown_path: what messages call the file.
        root: folder that all the images are in; None for their own.
    """

    def __init__(self, file, images, class_names, shown_path, root=None):
        self._file, self._images, self._shown_path = file, images, shown_path
        self._root = root
        self._image_count = self._object_count = 0
        categories = [{"id": number, "name": str(name), "supercategory": ""}
                      for number, name in enumerate(class_names) if number]
        file.write(f'{{"categories": {json.dumps(categories)},\n"annotations": [')

    def add(self, frame, result, picture=None):
        """Writes what was found in a frame."""
        self._image_count += 1
        height, width = frame.image.shape[:2]
        root = frame.path.parent if self._root is None else self._root
        record = {"id": self._image_count, "file_name": Path(relpath(frame.path, root)).as_posix(),
                  "width": width, "height": height}
        if frame.number is not None:
            record.update(file_name=f"{frame.name}.jpg", video=frame.path.as_posix(),
                          frame=frame.number, time=round(frame.time, 6))
        with naming(self._shown_path):
            self._write(self._images, record, self._image_count)
            for row in result.to_coco(self._image_count):
                self._object_count += 1
                row = {"id": self._object_count, **row, "iscrowd": 0}
                row["area"] = float(coding.area(row["segmentation"]))
                self._write(self._file, row, self._object_count)

    def close(self):
        """Ends the JSON, with the list of images, and closes the file."""
        with naming(self._shown_path):
            self._file.write('\n],\n"images": [')
            self._images.seek(0)
            for line in self._images:
                self._file.write(line)
            self._file.write("\n]}\n")
            self._file.close()

    def _write(self, file, record, number):
        file.write(("\n" if number == 1 else ",\n") + json.dumps(record))

