"""Finding: one thing that is wrong, or worth knowing, about a data set.

Readers collect findings instead of stopping at the first one, so that a person repairs a set
once and not once a run. An error makes its image unfit for training; a warning does not.
"""

from dataclasses import asdict, dataclass

ERRORS = {
    "annotations-unreadable": "an annotation file that cannot be read",
    "annotation-invalid": "an entry without what it needs, or with something else in its place",
    "path-outside": "a file name that leads out of the folder",
    "image-missing": "an image that is not there",
    "image-unreadable": "an image file that is empty, damaged or none",
    "size-disagrees": "annotations made for another image size",
    "duplicate-id": "one id for two things",
    "class-unknown": "a class that the set does not define",
    "box-invalid": "a box that is empty or inside out",
    "outline-invalid": "an outline of fewer than three points or without area",
    "outside-image": "an object that lies outside its image, or reaches far outside",
    "mask-invalid": "a mask that cannot be decoded, or of another size than its image",
    "mask-empty": "an object without a single pixel",
}
WARNINGS = {
    "image-unannotated": "images without annotations, left out",
    "entry-ignored": "something that is no object, left out",
    "box-only": "objects that have a box but no outline; the box serves as their mask",
    "one-value": "label images of a single value, which is one object",
    "class-unnamed": "classes without names, called by their numbers",
    "class-left-out": "objects of classes that were not asked for",
    "class-unused": "a class without a single object",
    "mostly-crowd": "a set that is mostly crowds, which train nothing",
    "small-objects": "objects smaller than the smallest anchor",
}


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: a key of ERRORS or WARNINGS.
        message: what was expected and what was received.
        file: the annotation or image file it is about.
        region: the place in that file, such as "annotation 17", "region 3" or "line 4".
        image: place in `image_info` of the image it makes unfit; None where it is about no
            single image.
    """

    kind: str
    message: str
    file: str
    region: str = ""
    image: int | None = None

    def __post_init__(self):
        if self.kind not in ERRORS and self.kind not in WARNINGS:
            raise ValueError(f"kind: expected one of {[*ERRORS, *WARNINGS]}, received {self.kind}")

    @property
    def is_error(self):
        """True where training should not go on without a decision."""
        return self.kind in ERRORS

    @property
    def place(self):
        """File and region in one text."""
        return f"{self.file}, {self.region}" if self.region else self.file

    def as_dict(self):
        """The attributes, with "severity", ready for JSON."""
        return {"severity": "error" if self.is_error else "warning", **asdict(self)}

    def __str__(self):
        return f"{self.place}: {self.message} [{self.kind}]"
