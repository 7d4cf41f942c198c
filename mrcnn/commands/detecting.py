"""Finding objects in pictures, videos and cameras with a trained model: what `mrcnn detect` does.

    summary = detect_in(model, ["photos", "party.mp4"], "found")
"""

from mrcnn._text import counted
from mrcnn.media.plan import Plan
from mrcnn.media.running import carry_out
from mrcnn.visualize.rendering import Renderer
from mrcnn.visualize.selection import class_numbers


def detect_in(model, names, output=None, *, classes=None, min_confidence=None, tiled=False,
              splash=False, progress=None, **options):
    """Finds objects in files and cameras and writes pictures, videos and annotation files.

    Args:
        model: MaskRCNN in inference mode.
        names: files, folders, patterns such as "*.jpg", and cameras ("0").
        output: folder of the results; None for a new one in results/.
        classes: names or ids of the only classes wanted; None for all.
        min_confidence: lowest score; None for that of the configuration.
        tiled: look at pictures in overlapping tiles, for small objects in large pictures.
        splash: everything but the objects in grey, in place of boxes and labels.
        progress: function (done, total or None, text).
        **options: of `media.plan.Plan`: save, start, end, every, limit, rate, recursive,
            overwrite.

    Returns:
        media.running.Summary.

    Raises:
        OSError, ValueError: as of Plan and `carry_out`.
    """
    channels = model.config.IMAGE_CHANNEL_COUNT
    plan = Plan(names, output, channels=channels, **options)
    return run(plan, model, classes, min_confidence, tiled, splash, progress)


def run(plan, model, classes=None, min_confidence=None, tiled=False, splash=False, progress=None,
        report=print):
    """Carries a plan out with a model; arguments as of `detect_in`, `report` as of `carry_out`."""
    names = names_of(model)
    detect = detector(model, classes, min_confidence, tiled)
    batch = 1 if tiled else model.config.BATCH_SIZE
    draw = painter(names, splash, is_video=bool(plan.videos or plan.cameras))
    return carry_out(plan, detect, names, draw, batch, progress, report)


def detector(model, classes=None, min_confidence=None, tiled=False):
    """A function of a list of images that answers a Result each, with lazy masks."""
    options = {"classes": classes, "min_confidence": min_confidence}
    if tiled:
        return lambda images: [model.detect_tiled(image, **options) for image in images]
    return lambda images: model.detect(images, masks="lazy", **options)


def painter(class_names, splash=False, is_video=True):
    """A function (image, result) that answers the picture [H, W, 3] uint8.

    In pictures each object has a colour of its own, in videos each class: the order of the
    objects changes from frame to frame, and their colours would flicker.
    """
    if splash:
        return Renderer(class_names, show_masks=False, show_boxes=False, show_labels=False,
                        splash=True).draw
    return Renderer(class_names, color_by="class" if is_video else "instance").draw


def names_of(model):
    """Class names by id, the background first; numbers where the model has no names."""
    if model.class_names is not None:
        return [str(name) for name in model.class_names]
    return ["BG", *(f"class {number}" for number in range(1, model.config.NUM_CLASSES))]


def wanted_classes(text, class_names):
    """Classes of a comma-separated text: names, or ids where there is no such name.

    Raises:
        ValueError: an unknown class, the background, or none; the message lists those that are
            known.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = set(class_names or [])
    classes = [int(word) if word.isdigit() and word not in known else word for word in words]
    if not classes:
        raise ValueError(f"--classes {text!r}: expected names with commas between them")
    if 0 in class_numbers(classes, class_names):
        raise ValueError(f"--classes {text}: 0 is the background, which is not detected")
    return classes


def summary_lines(summary):
    """A Summary as lines of text."""
    looked = [counted(count, what)
              for count, what in ((summary.images, "picture"), (summary.frames, "frame")) if count]
    total = sum(summary.objects.values())
    lines = [f"{counted(total, 'object')} in {' and '.join(looked)}"]
    width = max((len(name) for name in summary.objects), default=0)
    lines += [f"  {name:{width}}  {count}" for name, count in summary.objects.most_common()]
    lines += [f"Note: {note}" for note in summary.notes]
    lines += [f"Skipped: {why}" for _, why in summary.skipped]
    return lines + [f"Written: {path}" for path in summary.written]
