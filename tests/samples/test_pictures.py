"""Colour splash and painted detections: pixels, names, and files that are not sound."""

import clips
import made
import numpy as np
import pytest
import skimage.color
from PIL import Image

from mrcnn import visualize
from mrcnn._atomic import atomic_path
from mrcnn.commands.samples import pictures
from mrcnn.data.dataset import DataError

GREEN = (60, 220, 30)
LOSSY = 12  # grey levels that JPEG and video coding may move a flat pixel


def picture(height=40, width=60):
    """A coloured image with a green square in rows 10 to 25, columns 20 to 40."""
    image = np.full((height, width, 3), (200, 80, 40), np.uint8)
    image[10:25, 20:40] = GREEN
    return image


def test_color_splash_is_scikit_images_grey_outside():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    masks = rng.random((30, 40, 2)) > 0.7
    splash = visualize.color_splash(image, masks)
    grey = np.round(255 * skimage.color.rgb2gray(image))
    inside = masks[:, :, 0] | masks[:, :, 1]
    assert splash.dtype == np.uint8
    np.testing.assert_array_equal(splash[inside], image[inside])
    np.testing.assert_allclose(splash[~inside], np.repeat(grey[~inside][:, None], 3, 1), atol=1)
    assert (splash[~inside].max(axis=1) == splash[~inside].min(axis=1)).all()


@pytest.mark.parametrize("shape", [(30, 40, 0), (0, 0, 0)])
def test_color_splash_of_nothing_is_grey(shape):
    image = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    splash = visualize.color_splash(image, np.zeros(shape, bool))
    np.testing.assert_array_equal(splash[..., 0], splash[..., 2])
    assert image.std(axis=2).max() > 0  # and the image is left as it was


def test_color_splash_of_masks_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(30, 40, 'N'\), received \(40, 30, 1\)"):
        visualize.color_splash(np.zeros((30, 40, 3), np.uint8), np.zeros((40, 30, 1), bool))


@pytest.mark.parametrize(("name", "expected", "tolerance"), [
    ("a.png", "segment_a.png", 0), ("b.c.JPG", "segment_b.c.JPG", LOSSY),
    ("a.bmp", "segment_a.bmp", 0), ("a.ppm", "segment_a.png", 0),
    ("a.tif", "segment_a.tif", 0),
])
def test_segment_image_beside_the_image(tmp_path, name, expected, tolerance):
    Image.fromarray(picture()).save(tmp_path / name, **({"quality": 100, "subsampling": 0}
                                                        if "JPG" in name else {}))
    path = pictures.segment_image(made.Square(), tmp_path / name)
    assert path == str(tmp_path / expected)
    splash = np.asarray(Image.open(path).convert("RGB")).astype(int)
    np.testing.assert_allclose(splash[15, 30], GREEN, atol=tolerance)
    outside = splash[30, 5]
    assert outside.max() - outside.min() <= tolerance
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({name, expected})


def test_segment_image_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.fromarray(picture()).save(tmp_path / "a.png", exif=exif)
    splash = np.asarray(Image.open(pictures.segment_image(made.Square(), tmp_path / "a.png")))
    assert splash.shape == (60, 40, 3)
    np.testing.assert_array_equal(splash[30, 40 - 1 - 15], GREEN)
    assert not Image.open(tmp_path / "segment_a.png").getexif().get(0x0112)


def test_an_earlier_splash_is_replaced_and_kept_while_the_new_one_fails(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    path = pictures.segment_image(made.Square(), tmp_path / "a.png")
    first = open(path, "rb").read()
    with pytest.raises(RuntimeError), atomic_path(path) as unfinished:
        unfinished.write_bytes(b"half")
        raise RuntimeError
    assert open(path, "rb").read() == first
    Image.fromarray(picture()[::-1]).save(tmp_path / "a.png")
    pictures.segment_image(made.Square(), tmp_path / "a.png")
    assert open(path, "rb").read() != first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "segment_a.png"]


def test_a_damaged_image(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="not a readable image file: .*a.png"):
        pictures.segment_image(made.Square(), tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_is_its_images_without_earlier_splashes(tmp_path):
    for name in ("b.png", "a.JPG", "segment_a.JPG", "segment_b.png"):
        Image.fromarray(picture()).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert [path.name for path in pictures.images_of(tmp_path)] == ["a.JPG", "b.png"]


# --- video ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec", "expected"), [
    ("a.mp4", "mp4v", "segmentation_a.mp4"), ("a.avi", "MJPG", "segmentation_a.avi"),
    ("b.mov", "mp4v", "segmentation_b.mov"), ("b.mkv", "mp4v", "segmentation_b.mkv"),
])
def test_splash_video_beside_the_video(tmp_path, capsys, name, codec, expected):
    made.clip(tmp_path / name, frames=5, rate=12.0, codec=codec)
    path = pictures.splash_video(made.Square(), tmp_path / name)
    assert path == str(tmp_path / expected)
    before, _ = made.frames_of(tmp_path / name)
    after, rate = made.frames_of(path)
    assert len(after) == len(before) == 5 and rate == pytest.approx(12.0)
    for i, frame in enumerate(after):
        assert frame.shape == (48, 64, 3)
        inside, outside = frame[15:25, 10 + 4 * i : 20 + 4 * i], frame[36:46].astype(int)
        np.testing.assert_allclose(inside.mean(axis=(0, 1)), (60, 220, 30), atol=2 * LOSSY)
        assert (outside.max(axis=2) - outside.min(axis=2)).max() <= LOSSY
    assert f"{expected}: 5 of 5 frames" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, expected])


def test_a_video_is_never_wholly_in_memory(tmp_path):
    made.clip(tmp_path / "a.mp4", frames=7)
    sizes = []

    def change(frames):
        sizes.append(len(frames))
        return frames

    assert pictures.rewrite_video(tmp_path / "a.mp4", tmp_path / "b.mp4", change, batch=3) == 7
    assert sizes == [3, 3, 1]
    assert len(made.frames_of(tmp_path / "b.mp4")[0]) == 7


def test_a_file_that_is_no_video_and_one_that_is_missing(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"this is a letter")
    with pytest.raises(DataError, match="not a readable video file: .*a.mp4"):
        pictures.splash_video(made.Square(), tmp_path / "a.mp4")
    with pytest.raises(FileNotFoundError, match="no such file: .*b.mp4"):
        pictures.splash_video(made.Square(), tmp_path / "b.mp4")


def test_a_model_that_fails_leaves_no_half_video(tmp_path):
    made.clip(tmp_path / "a.mp4", frames=4)
    (tmp_path / "segmentation_a.mp4").write_bytes(b"an earlier one")
    answers = [lambda frames: frames]

    def change(frames):
        return answers.pop()(frames)

    with pytest.raises(IndexError):
        pictures.rewrite_video(tmp_path / "a.mp4", tmp_path / "segmentation_a.mp4", change, 2)
    assert (tmp_path / "segmentation_a.mp4").read_bytes() == b"an earlier one"
    assert len(list(tmp_path.iterdir())) == 2


def test_sound_is_kept(tmp_path):
    clips.clip(tmp_path / "a.mp4", frames=10, tone="aac")
    path = pictures.splash_video(made.Square(), tmp_path / "a.mp4")
    codec, seconds, loudest = clips.sound_of(path)
    assert codec == "aac" and seconds == pytest.approx(0.4, abs=0.06)
    assert loudest == pytest.approx(440, abs=10)


# --- detections -------------------------------------------------------------------------------


def test_paint_detections():
    image = picture(120, 160)
    result = made.Square().detect([image])[0]
    painted = pictures.paint_detections(image, result, ["BG", "square"])
    assert painted.shape == image.shape and painted.dtype == np.uint8
    np.testing.assert_array_equal(image, picture(120, 160))
    np.testing.assert_array_equal(painted[60:, 80:], image[60:, 80:])  # nothing was found there
    assert (painted[14:22, 24:36] != image[14:22, 24:36]).any(axis=2).all()
    nothing = {"rois": np.zeros((0, 4)), "class_ids": [], "scores": [],
               "masks": np.zeros((120, 160, 0))}
    np.testing.assert_array_equal(pictures.paint_detections(image, nothing, ["BG"]), image)
