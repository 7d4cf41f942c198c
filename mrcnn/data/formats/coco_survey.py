"""The first walk over a COCO file: its categories, and whether it is what it should be."""

from collections import Counter
from dataclasses import dataclass, field

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.coco_checks import file_name, id_text
from mrcnn.data.formats.coco_files import LISTS
from mrcnn.data.formats.json_stream import walk

FIRST_NAMES = 20  # file names that are looked for to find the images' folder


@dataclass
class Survey:
    """What is known after the first walk."""

    class_ids: list | None
    wanted: set = field(default_factory=set)  # images that hold one of `class_ids`, as text
    categories: list = field(default_factory=list)
    others: dict = field(default_factory=dict)  # what else the top level says
    names: list = field(default_factory=list)  # the first file names
    counts: Counter = field(default_factory=Counter)

    def look_at(self, key, value):
        """Notes an element of one of the lists."""
        self.counts[key] += 1
        if key == "categories":
            self.categories.append(value)
        elif not isinstance(value, dict):
            return
        elif key == "images":
            if len(self.names) < FIRST_NAMES:
                self.names.append(file_name(value))
        else:
            for part in ("segmentation", "keypoints", "segments_info", "caption"):
                self.counts[part] += part in value
            if self.class_ids is not None and value.get("category_id") in self.class_ids:
                self.wanted.add(id_text(value.get("image_id")))


def survey_of(file, class_ids):
    """Walks a whole COCO file once.

    Args:
        file: the JSON file.
        class_ids: list of category ids whose images shall be noted; None for none.

    Returns:
        Survey.

    Raises:
        DataError: broken JSON, or another kind of file than COCO's instance annotations.
    """
    survey, kinds = Survey(class_ids), {}
    for key, index, value in walk(file):
        kinds[key] = index is not None
        if key not in LISTS:
            if index is None:
                survey.others[key] = value
            else:
                survey.others.setdefault(key, [])
                if index >= 0:
                    survey.others[key].append(value)
        elif index is not None and index >= 0:
            survey.look_at(key, value)
    for key in LISTS:
        if not kinds.get(key):
            raise DataError(f"{file}: expected COCO's lists {', '.join(LISTS)}, received "
                            + (f"no list as {key!r}" if key in kinds else f"no {key!r}"))
    _check_kind(file, survey.counts)
    return survey


def _check_kind(file, counts):
    if not counts["images"]:
        raise DataError(f"{file}: expected at least one entry in 'images', received none")
    if counts["segmentation"]:
        return
    for key, name in (("segments_info", "panoptic annotations"), ("caption", "captions"),
                      ("keypoints", "keypoints without outlines")):
        if counts[key]:
            raise DataError(f"{file}: expected COCO's instance annotations with a segmentation "
                            f"or a bbox, received {name}")
