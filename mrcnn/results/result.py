"""`Result`: what was found in one image, a dict as ever, with what people do with it."""

import os
from pathlib import Path

import numpy as np

from mrcnn._atomic import atomic_path, refuse_existing
from mrcnn.geometry.lazy_masks import PackedMasks, WindowedMasks
from mrcnn.results import labelme
from mrcnn.results.outlines import polygons_of
from mrcnn.visualize.selection import of_classes

PICTURES = (".png", ".jpg", ".jpeg")
INCHES, LEAST_SIDE = 16, 1000  # of a saved picture: its longer side, on paper and in pixels
OBJECT_KEYS = ("rois", "class_ids", "scores", "masks")


class Result(dict):
    """The objects of one image, best score first. A dict of these keys:

    "rois" [N, (y1, x1, y2, x2)] int32 pixels, y2/x2 exclusive; "class_ids" [N] int32; "scores"
    [N] float32; "masks" [H, W, N] bool: an array, or lazy (`LazyMasks`, `PackedMasks`), or a list
    of N run-length codes of COCO, as was asked of `detect`.

    Args:
        objects: mapping with these four keys.
        image_shape: (H, W, ...) of the image; None takes it from the masks.
        class_names: name of every class, the background first; None if unknown.
        image: the image they were found in, or None. It is kept as it is, not copied: take it
            off (`result.image = None`) where many results are collected.

    Attributes:
        image_shape: (H, W).
        class_names, image: as given.

    Raises:
        ValueError: a key is missing, counts differ, or the size of the image is unknown.
    """

    def __init__(self, objects, image_shape=None, class_names=None, image=None):
        super().__init__(objects)
        missing = [key for key in OBJECT_KEYS if key not in self]
        if missing:
            raise ValueError(f"expected the keys {list(OBJECT_KEYS)}, received {list(self)}")
        masks = self["masks"]
        counts = {key: len(self[key]) for key in ("rois", "class_ids", "scores")}
        counts["masks"] = len(masks) if isinstance(masks, list) else masks.shape[2]
        if len(set(counts.values())) > 1:
            raise ValueError(f"expected as many of each, received {counts}")
        if image_shape is None:
            image_shape = _size_of(masks, image)
        self.image_shape = tuple(int(side) for side in image_shape[:2])
        self.class_names = None if class_names is None else list(class_names)
        self.image = image

    @property
    def count(self):
        """Number of objects (`len` counts the keys, as of any dict)."""
        return len(self["class_ids"])

    @property
    def labels(self):
        """Class name of each object; its id as text where names are unknown."""
        names = self._names()
        return [names[class_id] for class_id in np.asarray(self["class_ids"]).tolist()]

    def _names(self):
        """Class names that reach to the highest id here."""
        known = [str(name) for name in self.class_names or []]
        highest = int(np.max(self["class_ids"], initial=0))
        return known + [str(number) for number in range(len(known), highest + 1)]

    def copy(self):
        """A Result with the same arrays."""
        return self._with(dict(self))

    def __repr__(self):
        found = ", ".join(f"{label} {score:.2f}" for label, score
                          in zip(self.labels[:5], self["scores"], strict=False))
        more = ", ..." if self.count > 5 else ""
        return f"<Result of {self.count} objects in {self.image_shape}: {found}{more}>"

    def _with(self, objects):
        return Result(objects, self.image_shape, self.class_names, self.image)

    # --- choosing ----------------------------------------------------------------------------
    def select(self, keep):
        """A Result of some objects.

        Args:
            keep: [N] bool, or indices in the order wanted.

        Raises:
            IndexError: as of numpy arrays.
        """
        keep = np.asarray(keep)
        keep = keep.astype(np.int64) if keep.size == 0 and keep.dtype != bool else keep
        places = np.arange(self.count)[keep]
        masks = self["masks"]
        kept = [masks[i] for i in places] if isinstance(masks, list) else masks[..., places]
        objects = {key: self[key][places] for key in ("rois", "class_ids", "scores")}
        return self._with({**objects, "masks": kept})

    def filter(self, classes=None, min_confidence=None):
        """A Result of the objects of some classes and of some confidence.

        Args:
            classes: names or ids, or one of them; None for all.
            min_confidence: lowest score; None for all.

        Raises:
            ValueError: a class that is not known; the message lists those that are.
        """
        keep = of_classes(self["class_ids"], self.class_names, classes)
        if min_confidence is not None:
            keep &= np.asarray(self["scores"]) >= np.float32(min_confidence)
        return self.select(keep)

    # --- masks in other forms ----------------------------------------------------------------
    @property
    def rles(self):
        """N of COCO's compressed run-length codes, {"size": [H, W], "counts": text}."""
        masks = self["masks"]
        if isinstance(masks, list):
            return [{**code, "counts": _text(code["counts"])} for code in masks]
        return (masks if isinstance(masks, WindowedMasks) else PackedMasks.of(masks)).rles

    def windowed_masks(self):
        """The masks as an object that makes pixels only where they are asked for."""
        masks = self["masks"]
        if isinstance(masks, WindowedMasks):
            return masks
        if isinstance(masks, list):
            return PackedMasks.of_rles(masks, self.image_shape)
        return PackedMasks.of(masks)

    def to_polygons(self, tolerance=1.0):
        """Outlines of the masks, pixel edges at whole numbers (COCO's and labelme's coordinates).

        Args:
            tolerance: pixels by which an outline may be simplified; 0 follows the pixels.

        Returns:
            One list an object, of [K, (x, y)] float64 arrays: one for each part of the mask,
            none for an empty one. Holes are part of them; see `outlines.polygons_of`.
        """
        masks = self.windowed_masks()
        return [polygons_of(masks.inside(i), tolerance, masks.windows[i, :2])
                for i in range(self.count)]

    def to_coco(self, image_id, category_ids=None):
        """COCO results, as `COCO.loadRes` takes them.

        Args:
            image_id: id of the image in the annotation file.
            category_ids: the file's category id of each class id: a dict, or a list with the
                background first. None: the class ids themselves.

        Returns:
            List of dicts with image_id, category_id, bbox [x, y, width, height], score and
            segmentation (run lengths), in types that JSON holds.

        Raises:
            ValueError: a class has no category.
        """
        categories = _categories(np.asarray(self["class_ids"]).tolist(), category_ids)
        image_id = image_id.item() if isinstance(image_id, np.generic) else image_id
        rows = zip(categories, np.asarray(self["rois"]).tolist(), np.asarray(self["scores"]),
                   self.rles, strict=True)
        return [{"image_id": image_id, "category_id": category,
                 "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
                 "score": float(score), "segmentation": code}
                for category, (y1, x1, y2, x2), score, code in rows]

    def to_labelme(self, path=None, image_path=None, tolerance=1.0, overwrite=False):
        """The content of a labelme file, so that results can be corrected and trained on.

        Args:
            path: .json file to write; None writes none.
            image_path: file of the image, for "imagePath"; None: beside `path`, of its name.
            tolerance: as of `to_polygons`.
            overwrite: replace a file that is there.

        Returns:
            dict, without the image itself.

        Raises:
            FileExistsError: `path` exists, and `overwrite` is False.
        """
        if path is not None:
            refuse_existing(path, overwrite)
        content = labelme.document(self.to_polygons(tolerance), self.labels, self["scores"],
                                   self.image_shape, labelme.image_path_for(path, image_path))
        if path is not None:
            labelme.write_json(path, content, overwrite)
        return content

    # --- looking -----------------------------------------------------------------------------
    def show(self, image=None, **options):
        """Draws the objects on the image.

        Args:
            image: [H, W, C]; None for the image they were found in.
            **options: of `visualize.display_instances`: title, figsize, ax, show_mask, ...

        Returns:
            The figure.

        Raises:
            ValueError: there is no image, or it has another size.
        """
        from mrcnn.visualize.instances import display_instances

        return display_instances(self._image(image), self["rois"], self.windowed_masks(),
                                 self["class_ids"], self._names(),
                                 **{"scores": self["scores"], **options})

    def save(self, path, image=None, overwrite=False, image_id=0):
        """Writes the result: .json for COCO results, .png or .jpg for the picture of `show`.

        The picture is as large as the image; a small one is enlarged to 1000 pixels, so that
        its labels can be read.

        Args:
            path: the file; its folder is made where it is missing.
            image: as of `show`, for pictures.
            overwrite: replace a file that is there.
            image_id: as of `to_coco`, for .json.

        Raises:
            ValueError: another ending, or no image to draw on.
            FileExistsError: the file exists, and `overwrite` is False.
            OSError: it cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending != ".json" and ending not in PICTURES:
            raise ValueError(f"{os.fspath(path)}: expected a name in .json, "
                             f"{', '.join(PICTURES)}, received {ending or 'no ending'}")
        refuse_existing(path, overwrite)
        if ending == ".json":
            labelme.write_json(path, self.to_coco(image_id), overwrite)
        else:
            figure = self._figure(image)
            with atomic_path(path, keep_ending=True) as temporary:
                figure.savefig(temporary)

    def _figure(self, image):
        """The picture as a figure of its own, which no window shows."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        image = self._image(image)
        height, width = image.shape[:2]
        side = max(height, width)
        scale = INCHES / side
        figure = Figure((max(width * scale, 1), max(height * scale, 1)),
                        dpi=max(side, LEAST_SIDE) / INCHES)
        FigureCanvasAgg(figure)
        axes = figure.add_axes([0, 0, 1, 1])
        axes.set_axis_off()
        self.show(image, ax=axes)
        return figure

    def _image(self, image):
        image = self.image if image is None else image
        if image is None:
            raise ValueError("no image is kept with this result: pass image=")
        if tuple(image.shape[:2]) != self.image_shape:
            raise ValueError(f"image: expected the size {self.image_shape} of the result, "
                             f"received shape {tuple(image.shape)}")
        return image


def _size_of(masks, image):
    if not isinstance(masks, list):
        return masks.shape
    if masks:
        return masks[0]["size"]
    if image is None:
        raise ValueError("image_shape: expected (H, W), as there is no mask and no image")
    return image.shape


def _text(counts):
    return counts.decode("ascii") if isinstance(counts, bytes) else counts


def _categories(class_ids, category_ids):
    """The category of each class id, in types that JSON holds."""
    if category_ids is None:
        return class_ids
    pairs = category_ids if isinstance(category_ids, dict) else dict(enumerate(category_ids))
    unknown = sorted(set(class_ids) - set(pairs))
    if unknown:
        raise ValueError(f"category_ids: expected one for each class, there is none for class "
                         f"{unknown[0]}")
    found = [pairs[class_id] for class_id in class_ids]
    return [one.item() if isinstance(one, np.generic) else one for one in found]
