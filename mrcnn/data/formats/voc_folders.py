"""Where the parts of a Pascal VOC set lie, and which images its lists name; see `voc`."""

from dataclasses import dataclass
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import IMAGE_ENDINGS, image_files
from mrcnn.data.formats.shape_checks import files_of, sub_folders, the_subset

MASKS = "SegmentationObject"


@dataclass
class Folders:
    """The folders of a set; `masks` is None where it has no label images."""

    root: Path
    annotations: Path
    images: Path
    masks: Path | None
    has_lists: bool = False
    is_all: bool = False  # no list and no single file: every image of the folder belongs to it


def located(path, images, subset):
    """(Folders, names of the images)."""
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    if path.is_file():
        return _folders(path.parent, path.parent, images), [path.stem]
    root = root_of(path)
    if root is None:
        name = the_subset(path, subset, [folder.name for folder in xml_folders(path)])
        root, subset = path / (name or ""), None
    annotations = annotations_of(root)
    if annotations is None:
        hint = ("; a set of label images alone is not read, export it as COCO"
                if (root / MASKS).is_dir() else "")
        raise DataError(f"{path}: no Pascal VOC annotations: expected XML files in Annotations, "
                        "in VOCdevkit/VOC*/Annotations, beside the images, or in subset folders"
                        + hint)
    folders, lists = _folders(root, annotations, images), lists_of(root)
    if subset is not None and subset not in lists:
        raise DataError(f"{path}: subset: expected one of {list(lists)}, received {subset!r}")
    if not lists:
        folders.is_all = True
        return folders, [file.stem for file in files_of(annotations, ".xml")]
    folders.has_lists = True
    chosen = lists.values() if subset is None else [lists[subset]]
    stems = list(dict.fromkeys(stem for file in chosen for stem in _listed(file)))
    if not stems:
        raise DataError(f"{path}: the lists {[file.name for file in chosen]} name no image")
    return folders, stems


def _folders(root, annotations, images):
    if images is None:
        found = _image_folders(root)
        if not found and annotations == root and not image_files(root):
            found = _image_folders(root.parent)
        images = found[0] if found else annotations if annotations == root else root
    masks = root / MASKS
    return Folders(root, annotations, Path(images), masks if masks.is_dir() else None)


def _image_folders(root):
    return [folder for folder in sub_folders(root)
            if folder.name.lower() in ("jpegimages", "images")]


def root_of(path, choose=True):
    """The folder that has the annotations; None where there is none."""
    if annotations_of(path) is not None:
        return path
    years = [folder for base in (path, path / "VOCdevkit") for folder in sub_folders(base)
             if folder.name.upper().startswith("VOC") and annotations_of(folder) is not None]
    if len(years) > 1 and choose:
        raise DataError(f"{path}: several VOC sets: expected one of "
                        f"{[str(year) for year in years]} as the path")
    return years[0] if years else None


def annotations_of(root):
    """The folder of the XML files of a set, None where there are none."""
    named = [folder for folder in sub_folders(root) if folder.name.lower() == "annotations"]
    return next((folder for folder in [*named, root] if files_of(folder, ".xml")), None)


def xml_folders(path):
    """The folders in `path` that hold annotations, perhaps one a subset."""
    return [folder for folder in sub_folders(path) if annotations_of(folder) is not None]


def lists_of(root):
    """Name -> file of the lists; ImageSets/Main only where no Segmentation is there."""
    lists = files_of(root / "ImageSets" / "Segmentation", ".txt")
    if not lists:  # those of one class, such as cat_train.txt, name the same images again
        lists = [file for file in files_of(root / "ImageSets" / "Main", ".txt")
                 if "_" not in file.stem]
    return {file.stem: file for file in lists}


def _listed(file):
    """The image names of a list: the first column, an image's ending taken off."""
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{file}: the list cannot be read: {error}") from error
    for line in filter(None, map(str.strip, lines)):
        first, _, last = line.rpartition(" ")
        name = first.strip() if first and last in ("1", "-1", "0") else line
        if name.lower().endswith(IMAGE_ENDINGS):
            name = name[:name.rindex(".")]
        yield name
