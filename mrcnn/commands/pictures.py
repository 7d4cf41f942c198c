"""Images and videos in, painted ones out.

A result is written under another name and renamed when it is complete, so an interrupted run
leaves the result of an earlier one as it was. cv2 is imported where a video is opened or text
is painted.
"""

import contextlib
import os
from pathlib import Path

import numpy as np

from mrcnn._atomic import atomic_path
from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import image_files
from mrcnn.data.image_files import read_image
from mrcnn.visualize import painting

# What OpenCV writes into each kind of file; any other video becomes an .mp4.
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
WRITABLE = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif")
SPLASH = "segment_"  # what a splashed image is called, before its own name
USUAL_RATE = 25.0  # frames a second, for a video that does not say


# --- colour splash ----------------------------------------------------------------------------


def segment_image(model, path):
    """Writes `segment_<image>` beside the image: grey where no instance is.

    The picture is upright, as `image_files.read_image` reads it. An earlier one is replaced.

    Args:
        model: MaskRCNN in inference mode.
        path: image file.

    Returns:
        path of the picture. The ending is that of the image, or .png where pictures of that
        kind cannot be written.

    Raises:
        FileNotFoundError, DataError: the image is missing or unreadable.
    """
    image = read_picture(path)
    result = model.detect([image])[0]
    ending = Path(path).suffix.lower()
    target = beside(path, SPLASH, None if ending in WRITABLE else ".png")
    write_picture(target, painting.color_splash(image, result["masks"]))
    print(f"{len(result['class_ids'])} instances, written to {target}")
    return str(target)


def splash_video(model, path):
    """Writes `segmentation_<video>` beside the video: grey where no instance is.

    Size and frame rate are kept, sound is not. An earlier result is replaced.

    Args:
        model: MaskRCNN in inference mode.
        path: video file.

    Returns:
        path of the video: .avi, .mov, .mkv and .m4v keep their ending, all others get .mp4.

    Raises:
        FileNotFoundError, DataError: the video is missing, or unreadable.
    """
    target = beside(path, "segmentation_", video_ending(path))

    def splash(frames):
        results = model.detect(frames)
        return [painting.color_splash(frame, result["masks"])
                for frame, result in zip(frames, results, strict=True)]

    rewrite_video(path, target, splash, model.config.BATCH_SIZE)
    return str(target)


# --- detections on pictures -------------------------------------------------------------------


def paint_detections(image, result, class_names):
    """A picture of an image with mask and box of every instance, class and score where they fit.

    Args:
        image: [H, W, C]; see `painting.to_rgb`.
        result: dict of `detect`: "rois" [N, (y1, x1, y2, x2)] pixels, "class_ids" [N],
            "scores" [N], "masks" [H, W, N].
        class_names: name of every class, background first.

    Returns:
        [H, W, 3] uint8.
    """
    canvas = painting.to_rgb(image)
    boxes, colors = result["rois"], painting.random_colors(len(result["rois"]))
    painting.paint_masks(canvas, result["masks"], boxes, colors)
    tints = [tuple(int(255 * part) for part in color) for color in colors]
    for box, tint in zip(boxes, tints, strict=True):
        painting.draw_box(canvas, box, tint)
    for i, box in enumerate(boxes):
        name = class_names[int(result["class_ids"][i])]
        _write_label(canvas, f"{name} {result['scores'][i]:.2f}", box, tints[i])
    return canvas


def _write_label(canvas, text, box, tint):
    """Black text on the colour of its instance, above the box or at the image's upper edge.

    Left out where it would be twice as wide as the box: it would hide the neighbours.
    """
    import cv2

    font, scale = cv2.FONT_HERSHEY_SIMPLEX, min(max(min(canvas.shape[:2]) / 1200, 0.35), 1.5)
    thick = 2 if scale > 1 else 1
    (width, height), below = cv2.getTextSize(text, font, scale, thick)
    if width > 2 * (box[3] - box[1]):
        return
    left = int(min(max(box[1], 0), max(canvas.shape[1] - width, 0)))
    base = int(max(box[0] - below, height + 1))
    cv2.rectangle(canvas, (left, base - height - 1), (left + width, base + below - 1), tint, -1)
    cv2.putText(canvas, text, (left, base), font, scale, (0, 0, 0), thick, cv2.LINE_AA)


# --- files ------------------------------------------------------------------------------------


def images_of(path):
    """[Path] of an image file, or of the images directly in a folder, but for earlier splashes.

    Raises:
        DataError: the folder has none.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = [file for file in image_files(path) if not file.name.startswith(SPLASH)]
    if not found:
        raise DataError(f"{path}: no image files in this folder")
    return found


def read_picture(path):
    """An image file as `image_files.read_image` reads it; DataError where it is damaged."""
    try:
        return read_image(path)
    except ValueError as error:
        raise DataError(str(error)) from error


def beside(path, prefix, ending=None):
    """The path with a prefix to its file name, and another ending where one is given."""
    path = Path(path)
    return path.with_name(f"{prefix}{path.stem}{ending or path.suffix}")


def video_ending(path):
    """The ending that a video made from this one gets."""
    return Path(path).suffix if Path(path).suffix.lower() in CODECS else ".mp4"


def write_picture(target, picture):
    """Writes [H, W, 3] uint8 to a file of the kind that its ending says."""
    from PIL import Image

    with atomic_path(target, keep_ending=True) as path:
        Image.fromarray(picture).save(path, **({"quality": 95} if _is_jpeg(path) else {}))


def _is_jpeg(path):
    return path.suffix.lower() in (".jpg", ".jpeg")


def open_video(path):
    """A cv2.VideoCapture; FileNotFoundError or DataError where it is no readable video."""
    import cv2

    if not os.path.isfile(path):
        raise FileNotFoundError(f"no such file: {path}")
    video = cv2.VideoCapture(str(path))
    if not (video.isOpened() and video.grab()):
        raise DataError(f"not a readable video file: {path}")
    video.release()
    return cv2.VideoCapture(str(path))  # from its first frame


def rewrite_video(path, target, change, batch=1):
    """Writes a video with every frame changed; a batch of frames is in memory at a time.

    OpenCV leaves out the last row or column of a size that is odd.

    Args:
        path: the video to read.
        target: the video to write, .mp4, .m4v, .mov, .mkv or .avi.
        change: function of a list of [H, W, 3] uint8 RGB frames that answers as many.
        batch: frames a call.

    Returns:
        int, number of frames.

    Raises:
        FileNotFoundError: `path` does not exist.
        DataError: it is no video, or the result cannot be written.
    """
    import cv2

    video = open_video(path)
    rate = video.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate < 1000 else USUAL_RATE
    announced = max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    label = f"\r{Path(target).name}:"
    whole = atomic_path(target, keep_ending=True)
    with contextlib.closing(_Frames(video)) as frames, whole as unfinished:
        done, writer = 0, None
        try:
            while part := frames.next(batch):
                for picture in change(part):
                    writer = writer or _open_writer(unfinished, rate, picture.shape)
                    writer.write(np.ascontiguousarray(picture[..., ::-1]))  # OpenCV's BGR
                done += len(part)
                print(label, done, f"of {announced} frames" if announced else "frames", end="")
        finally:
            if writer:
                writer.release()
        print()
    if done < announced:
        print(f"{path} announces {announced} frames; {done} could be read")
    print(f"Written to {target}")
    return done


class _Frames:
    """Frames of a cv2.VideoCapture, some at a time."""

    def __init__(self, video):
        self.video = video

    def next(self, count):
        """Up to `count` frames, [H, W, 3] uint8 RGB; an empty list at the end."""
        frames = []
        while len(frames) < count:
            there, frame = self.video.read()
            if not there:
                break
            frames.append(np.ascontiguousarray(frame[..., ::-1]))
        return frames

    def close(self):
        """Gives the file back."""
        self.video.release()


def _open_writer(path, rate, shape):
    import cv2

    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
    writer = cv2.VideoWriter(str(path), codec, rate, (shape[1], shape[0]))
    if not writer.isOpened():
        raise DataError(f"OpenCV cannot write {path.suffix} videos of {shape[1]} x {shape[0]}")
    return writer
