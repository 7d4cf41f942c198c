"""Whole runs with a detector that finds green: files, damage, ends of every kind."""

import contextlib
import errno
import json
import signal
from pathlib import Path

import clips
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from test_sources import Capture

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.loading import load_dataset
from mrcnn.media import outputs
from mrcnn.media.plan import Plan
from mrcnn.media.running import carry_out
from mrcnn.media.sources import Camera
from mrcnn.visualize.rendering import Renderer

NAMES = ["BG", "square", "disk"]
ALL = ("pictures", "coco", "masks", "labelme")


def photo(path, number=0, size=(48, 64)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(clips.frame_of(number, size)).save(path)
    return path


def run(names, output, detect=clips.find_green, batch=2, **options):
    plan = Plan([names] if isinstance(names, Path) else names, output, **options)
    said = []
    draw = Renderer(NAMES).draw
    return carry_out(plan, detect, NAMES, draw, batch, report=said.append), said


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*")
                  if path.is_file())


def test_pictures_of_many_kinds(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    for i, name in enumerate(["a.jpg", "b.png", "deep/a.jpg", "c.bmp"]):
        photo(folder / name, i)
    (folder / "text.jpg").write_text("no picture")
    summary, _ = run(folder, out, recursive=True, save=ALL)
    names = ["b", "c", "deep_a", "in_a"]
    assert files_in(out) == sorted([
        "b.png", "c.png", "deep_a.jpg", "in_a.jpg", "detections.json",
        *(f"masks/{name}.png" for name in names), *(f"labelme/{name}.json" for name in names)])
    assert summary.images == 4 and dict(summary.objects) == {"square": 4}
    assert [path.name for path, _ in summary.skipped] == ["text.jpg"]
    assert "text.jpg" in summary.skipped[0][1]
    expected = Renderer(NAMES).draw(clips.frame_of(1), clips.find_green([clips.frame_of(1)])[0])
    np.testing.assert_array_equal(np.asarray(Image.open(out / "b.png")), expected)


def test_the_coco_file_in_the_eyes_of_pycocotools(tmp_path):
    for i in range(3):
        photo(tmp_path / "in" / f"{i}.png", 5 * i)
    Image.new("RGB", (64, 48)).save(tmp_path / "in" / "nothing.png")
    path = clips.clip(tmp_path / "in" / "v.mp4", 4)
    run(tmp_path / "in", tmp_path / "out", save=("coco", "masks"))
    coco = COCO(str(tmp_path / "out" / "detections.json"))
    assert len(coco.imgs) == 8 and len(coco.anns) == 7
    assert [row["name"] for row in coco.loadCats(coco.getCatIds())] == NAMES[1:]
    by_name = {Path(row["file_name"]).name: row for row in coco.imgs.values()}
    assert [row["file_name"] for row in coco.imgs.values()][:2] == ["0.png", "1.png"]
    assert set(by_name) == {"0.png", "1.png", "2.png", "nothing.png",
                            *(f"v_{i:06d}.jpg" for i in range(4))}
    video = by_name["v_000003.jpg"]
    assert (video["video"], video["frame"], video["time"]) == (path.as_posix(), 3, 0.12)
    for i in range(3):
        row = by_name[f"{i}.png"]
        assert (row["height"], row["width"]) == (48, 64)
        (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=row["id"]))
        truth = (clips.frame_of(5 * i) == clips.SQUARE).all(axis=2)
        np.testing.assert_array_equal(coco.annToMask(annotation), truth)
        assert annotation["area"] == truth.sum() and annotation["score"] == pytest.approx(0.9)
        labels = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{i}.png"))
        assert labels.dtype == np.uint16
        np.testing.assert_array_equal(labels, truth)
    again = json.loads((tmp_path / "out" / "detections.json").read_text())["annotations"]
    assert len(coco.loadRes(again).anns) == 7


def test_an_empty_run_is_sound_json_too(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    run(tmp_path / "a.png", tmp_path / "out")
    assert COCO(str(tmp_path / "out" / "detections.json")).anns == {}


def test_what_is_written_can_be_trained_on(tmp_path):
    for i in range(2):
        photo(tmp_path / "in" / f"{i}.jpg", i)
    run(tmp_path / "in", tmp_path / "out", save=("coco", "masks", "labelme"))
    truth = clips.find_green([np.asarray(Image.open(tmp_path / "in" / "0.jpg"))])[0]["masks"]
    images = {"images": tmp_path / "in"}
    for path, options in (("labelme", {}), ("masks", {"format": "masks", **images}),
                          ("detections.json", images)):
        dataset = load_dataset(tmp_path / "out" / path, **options)
        assert len(dataset.image_ids) == 2, path
        mask, class_ids = dataset.load_mask(0)
        assert mask.shape == truth.shape and len(class_ids) == 1
        assert (mask != truth).mean() < 0.01


def test_label_images_show_the_better_score_on_top():
    first, second = np.zeros((2, 6, 8), bool)
    first[1:4, 1:5] = second[2:6, 2:8] = True
    from mrcnn.results.result import Result

    result = Result({"rois": np.array([[2, 2, 6, 8], [1, 1, 4, 5]]), "class_ids": np.array([1, 2]),
                     "scores": np.array([0.6, 0.9], np.float32),
                     "masks": np.stack([second, first], axis=-1)})
    expected = np.where(first, 2, np.where(second, 1, 0))
    np.testing.assert_array_equal(outputs.label_image(result, (6, 8, 3)), expected)


# --- videos -----------------------------------------------------------------------------------


def test_a_video_with_its_sound(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 30, tone="aac")
    summary, _ = run(path, tmp_path / "out", batch=4)
    pictures, rate = clips.pictures_of(tmp_path / "out" / "v.mp4")
    assert len(pictures) == summary.frames == 30 and rate == pytest.approx(25)
    codec, seconds, loudest = clips.sound_of(tmp_path / "out" / "v.mp4")
    assert (codec, round(loudest, -1)) == ("aac", 440) and seconds == pytest.approx(1.2, abs=0.06)
    for i in (0, 29):
        frame = clips.frame_of(i)
        expected = Renderer(NAMES).draw(frame, clips.find_green([frame])[0])
        assert clips.psnr(pictures[i], expected) > 24
        assert clips.psnr(pictures[i], expected) > clips.psnr(pictures[i], frame)
    assert summary.notes == [] and summary.skipped == []


def test_a_range_of_a_video_and_one_frame_of_three(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 60, tone="aac")
    summary, _ = run(path, tmp_path / "out", start=0.8, end="50f", every=3,
                     save=("pictures", "coco", "labelme"))
    pictures, rate = clips.pictures_of(tmp_path / "out" / "v.mp4")
    assert len(pictures) == summary.frames == 10 and rate == pytest.approx(25 / 3, abs=0.1)
    assert clips.sound_of(tmp_path / "out" / "v.mp4")[1] == pytest.approx(1.2, abs=0.1)
    stills = sorted((tmp_path / "out" / "labelme" / "v").glob("*.jpg"))
    assert [path.name for path in stills][:2] == ["v_000020.jpg", "v_000023.jpg"]
    assert clips.psnr(Image.open(stills[0]), clips.frame_of(20)) > 25


def test_another_rate_leaves_the_sound_out_and_says_so(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 20, tone="aac")
    summary, _ = run(path, tmp_path / "out", rate=50)
    pictures, rate = clips.pictures_of(tmp_path / "out" / "v.mp4")
    assert len(pictures) == 20 and rate == 50 and "without its sound" in summary.notes[0]
    assert clips.sound_of(tmp_path / "out" / "v.mp4") is None


def test_a_damaged_video_goes_on_and_is_reported(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 60)
    clips.damage(path)
    summary, _ = run(path, tmp_path / "out")
    assert summary.frames < 60 and f"{60 - summary.frames} frames could not be" in summary.notes[0]
    assert len(clips.pictures_of(tmp_path / "out" / "v.mp4")[0]) == summary.frames


def test_a_file_that_is_no_video_among_others(tmp_path):
    (tmp_path / "in").mkdir()
    clips.clip(tmp_path / "in" / "v.mp4", 5)
    (tmp_path / "in" / "bad.mp4").write_text("no video")
    summary, _ = run(tmp_path / "in", tmp_path / "out")
    assert summary.frames == 5 and "bad.mp4" in summary.skipped[0][1]


def test_a_grey_model(tmp_path):
    clips.clip(tmp_path / "v.mp4", 3)
    shapes = []

    def detect(images):
        shapes.extend(image.shape for image in images)
        return clips.find_green([np.repeat(image, 3, axis=2) for image in images])

    run(tmp_path / "v.mp4", tmp_path / "out", detect, channels=1)
    assert set(shapes) == {(48, 64, 1)}
    with pytest.raises(ValueError, match="videos have 3 channels, the model takes 4"):
        Plan([tmp_path / "v.mp4"], tmp_path / "more", channels=4)


def test_a_camera_becomes_a_video(tmp_path):
    def opened(number, limit):
        return Camera(number, limit, open_capture=lambda n: Capture(n, 10**6))

    summary, _ = run(["0"], tmp_path / "out", limit=5, open_camera=opened)
    assert summary.frames == 5
    assert len(clips.pictures_of(tmp_path / "out" / "camera_0.mp4")[0]) == 5


# --- ends -------------------------------------------------------------------------------------


def stopping(after):
    """A progress function that presses Ctrl-C once `after` frames were written."""
    seen = []

    def progress(done, total, text):
        seen.append(done)
        if len(seen) == after:
            signal.raise_signal(signal.SIGINT)

    return progress


def test_ctrl_c_keeps_what_is_done_under_other_names(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 60, tone="aac")
    plan, said = Plan([path], tmp_path / "out"), []
    with pytest.raises(KeyboardInterrupt):
        carry_out(plan, clips.find_green, NAMES, Renderer(NAMES).draw, 2, stopping(20), said.append)
    assert files_in(tmp_path / "out") == ["detections.partial.json", "v.partial.mp4"]
    assert len(clips.pictures_of(tmp_path / "out" / "v.partial.mp4")[0]) == 20
    assert len(COCO(str(tmp_path / "out" / "detections.partial.json")).imgs) == 20
    assert len(said) == 2 and all(".partial." in line for line in said)
    run(path, tmp_path / "out", overwrite=True)  # the whole takes the place of the part
    assert files_in(tmp_path / "out") == ["detections.json", "v.mp4"]


def test_ctrl_c_is_how_a_camera_ends(tmp_path):
    def opened(number, limit):
        return Camera(number, limit, open_capture=lambda n: Capture(n, 10**6))

    plan = Plan(["camera:0"], tmp_path / "out", open_camera=opened)
    summary = carry_out(plan, clips.find_green, NAMES, Renderer(NAMES).draw, 1, stopping(4))
    assert files_in(tmp_path / "out") == ["camera_0.mp4", "detections.json"]
    assert len(clips.pictures_of(tmp_path / "out" / "camera_0.mp4")[0]) == 4
    assert summary.frames == 4


def test_the_second_ctrl_c_ends_at_once(tmp_path):
    clips.clip(tmp_path / "v.mp4", 30)
    seen = []

    def progress(done, total, text):
        signal.raise_signal(signal.SIGINT)
        seen.append("first")
        signal.raise_signal(signal.SIGINT)
        seen.append("never here")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        carry_out(Plan([tmp_path / "v.mp4"], tmp_path / "out"), clips.find_green, NAMES,
                  Renderer(NAMES).draw, 2, progress, seen.append)
    assert seen[0] == "first" and "never here" not in seen
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("kind", ["v.mp4", "a.png"])
def test_an_error_of_the_network_leaves_no_half_result(tmp_path, kind):
    clips.clip(tmp_path / "v.mp4", 10)
    photo(tmp_path / "a.png")

    def detect(images):
        raise FloatingPointError("NaN")

    with pytest.raises(FloatingPointError, match="NaN"):
        run(tmp_path / kind, tmp_path / "results" / "out", detect)
    assert not (tmp_path / "results").exists()  # nor the folder that was made for it


@pytest.mark.parametrize("save", ["pictures", "masks", "labelme"])
def test_a_disk_that_fills_up_is_an_error_that_names_the_file(tmp_path, monkeypatch, save):
    photo(tmp_path / "a.png")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"cannot write .*a\.(png|json): No space left on device"):
        run(tmp_path / "a.png", tmp_path / "out", save=(save, "coco"))
    assert files_in(tmp_path) == ["a.png"]


def test_a_full_disk_and_the_coco_file(tmp_path):
    """/dev/full refuses every byte, as a full disk does."""
    from mrcnn.media.coco_file import CocoFile
    from mrcnn.media.frame import Frame

    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    file, images = open("/dev/full", "w"), open(tmp_path / "images", "w+")
    writer = CocoFile(file, images, NAMES, tmp_path / "detections.json")
    image = clips.frame_of(0)
    with pytest.raises(OSError, match="cannot write .*detections.json: No space left on device"):
        for _ in range(200):
            writer.add(Frame(image, "a", Path("a.png")), clips.find_green([image])[0])
    images.close()
    with contextlib.suppress(OSError):
        file.close()


def test_no_input_can_be_read(tmp_path):
    (tmp_path / "a.jpg").write_text("no")
    (tmp_path / "v.mp4").write_text("no")
    for name in ("a.jpg", "v.mp4", "."):
        with pytest.raises(DataError, match=r"(a.jpg|v.mp4)"):
            Plan([tmp_path / name], tmp_path / "deep" / "out")
        assert not (tmp_path / "deep").exists()


def test_a_header_that_promises_and_pixels_that_fail(tmp_path):
    photo(tmp_path / "in" / "a.png")
    data = (tmp_path / "in" / "a.png").read_bytes()
    (tmp_path / "in" / "a.png").write_bytes(data[:60])
    with pytest.raises(DataError, match="a.png"):
        run(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_output_folder_at_the_door(tmp_path):
    photo(tmp_path / "in" / "a.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="in holds files already"):
        Plan([tmp_path / "in"], tmp_path / "in")
    with pytest.raises(ValueError, match="among the inputs.*a.png"):
        Plan([tmp_path / "in"], tmp_path / "in", overwrite=True)
    with pytest.raises(FileExistsError, match="file is a file"):
        Plan([tmp_path / "in"], tmp_path / "file")
    with pytest.raises(OSError, match="cannot write to .*file/deep"):
        Plan([tmp_path / "in"], tmp_path / "file" / "deep")


def test_overwrite_replaces(tmp_path):
    photo(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"earlier")
    (tmp_path / "out" / "mine.txt").write_bytes(b"mine")
    run(tmp_path / "in", tmp_path / "out", overwrite=True)
    assert files_in(tmp_path / "out") == ["a.png", "detections.json", "mine.txt"]
    assert Image.open(tmp_path / "out" / "a.png").size == (64, 48)


@pytest.mark.parametrize("options", [{"save": ["movies"]}, {"save": []}, {"start": "x"}])
def test_options_that_are_none(tmp_path, options):
    photo(tmp_path / "a.png")
    with pytest.raises(ValueError, match="save|received 'x'"):
        Plan([tmp_path / "a.png"], tmp_path / "out", **options)


def test_a_limit_and_a_default_folder(tmp_path, monkeypatch):
    for i in range(4):
        photo(tmp_path / "in" / f"{i}.png", i)
    monkeypatch.chdir(tmp_path)
    summary, _ = run(tmp_path / "in", None, limit=3, save=("pictures",))
    assert summary.images == 3
    (folder,) = Path("results").iterdir()
    assert folder.name.startswith("detect_") and files_in(folder) == ["0.png", "1.png", "2.png"]
