"""Images and videos in, painted ones out, for scripts: thin calls to `mrcnn.media`.

A result is written under another name and renamed when it is complete, so an interrupted run
leaves the result of an earlier one as it was.
"""

from contextlib import closing
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import image_files
from mrcnn.data.image_files import read_image
from mrcnn.media.outputs import write_picture
from mrcnn.media.pipeline import ahead, batches
from mrcnn.media.stills import lost_text
from mrcnn.media.video_reader import VideoReader
from mrcnn.media.video_writer import video_ending, writing_video
from mrcnn.visualize import painting
from mrcnn.visualize.rendering import Renderer

__all__ = ["images_of", "paint_detections", "read_picture", "rewrite_video", "segment_image",
           "splash_video", "video_ending", "write_picture"]

WRITABLE = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif")
SPLASH = "segment_"  # what a splashed image is called, before its own name


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

    Size, times and sound are kept. An earlier result is replaced.

    Args:
        model: MaskRCNN in inference mode.
        path: video file.

    Returns:
        path of the video: .avi, .mov, .mkv and .m4v keep their ending, all others get .mp4.

    Raises:
        FileNotFoundError, DataError: the video is missing, or unreadable.
        OSError: the result cannot be written.
    """
    target = beside(path, "segmentation_", video_ending(path))

    def splash(frames):
        results = model.detect(frames)
        return [painting.color_splash(frame, result["masks"])
                for frame, result in zip(frames, results, strict=True)]

    rewrite_video(path, target, splash, model.config.BATCH_SIZE)
    return str(target)


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
    return Renderer(class_names).draw(image, result)


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


def rewrite_video(path, target, change, batch=1):
    """Writes a video with every frame changed, its sound kept, with few frames in memory.

    A side of odd length gets one more row or column. Frames that cannot be read are left out.

    Args:
        path: the video to read.
        target: the video to write, .mp4, .m4v, .mov, .mkv or .avi.
        change: function of a list of [H, W, 3] uint8 RGB frames that answers as many; it runs
            in a thread.
        batch: frames a call.

    Returns:
        int, number of frames.

    Raises:
        FileNotFoundError: `path` does not exist.
        DataError: it is no video.
        OSError: the result cannot be written.
    """
    reader = VideoReader(path)
    options = {"sound": path, "sound_start": reader.origin, "tick": reader.tick,
               "pixel_aspect": reader.pixel_aspect}
    of = f"of {reader.count} frames" if reader.count else "frames"
    with (writing_video(target, reader.rate, **options) as writer,
          closing(ahead(_changed(reader, change, batch), 2)) as changed):
        for frame, picture in changed:
            writer.write(picture, frame.time)
            print(f"\r{Path(target).name}:", writer.count, of, end="")
    print()
    for note in [*writer.notes, *([lost_text(reader)] if reader.lost else [])]:
        print(note)
    print(f"Written to {target}")
    return writer.count


def _changed(reader, change, batch):
    """(Frame, changed picture) one by one."""
    with closing(ahead(reader, 2 * batch)) as frames:
        for part in batches(frames, batch):
            yield from zip(part, change([frame.image for frame in part]), strict=True)
