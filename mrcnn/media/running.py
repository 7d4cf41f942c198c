"""A whole run: each input of a plan in turn, through a detector into files.

    plan = Plan(["photos", "party.mp4"], "found")     # says what is wrong, quickly
    summary = carry_out(plan, detect, class_names)    # the work
"""

from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction

from mrcnn._ctrl_c import CtrlC
from mrcnn._text import counted
from mrcnn.data.dataset import DataError
from mrcnn.media import outputs, pipeline
from mrcnn.media.coco_file import writing_coco
from mrcnn.media.names import partial_path
from mrcnn.media.stills import lost_text
from mrcnn.media.video_writer import writing_video

CLOCK = Fraction(1, 1000)  # seconds that the times of a camera are kept to


@dataclass
class Summary:
    """What came of a run.

    Attributes:
        images, frames: how many were looked at.
        objects: Counter of class names.
        written: files, and folders with how many files they got: texts.
        skipped: list of (path, why).
        notes: list of texts, about things done otherwise than asked.
    """

    images: int = 0
    frames: int = 0
    objects: Counter = field(default_factory=Counter)
    written: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def carry_out(plan, detect, class_names, draw=None, batch=1, progress=None, report=print):
    """Detects in all inputs of a plan and writes what is to be saved.

    Pictures are decoded, detected in, and drawn at the same time; memory does not grow with
    their number. Ctrl-C ends a camera as it should; it breaks off anything else, between two
    pictures: a video and the COCO file then keep what is done, under names with `.partial`. A
    second one ends at once.

    Args:
        plan: Plan.
        detect: function of a list of images that answers a `Result` for each.
        class_names: by class id, the background first.
        draw: function (image, result) that answers a picture [H, W, 3] uint8; wanted where
            pictures are saved.
        batch: images a call of `detect`; 1 for cameras.
        progress: function (done, total or None, text) called after every picture.
        report: function called with a text about what Ctrl-C left.

    Returns:
        Summary.

    Raises:
        DataError: not one picture could be read.
        OSError: a file cannot be written, for a full disk say; the message names it.
        whatever `detect` and `draw` raise.
    """
    draw = draw if "pictures" in plan.save else None
    ctrl_c = CtrlC()
    run = _Run(plan, detect, class_names, draw, progress, ctrl_c)
    try:
        with ctrl_c:
            return run.all(batch)
    except KeyboardInterrupt:
        for path in run.partial():
            report(f"Kept what was done: {path}")
        raise
    finally:
        plan.clear()


class _Run:
    """One run of a plan."""

    def __init__(self, plan, detect, class_names, draw, progress, ctrl_c):
        self.plan, self.detect, self.draw, self.progress = plan, detect, draw, progress
        self.ctrl_c = ctrl_c
        self.class_names, self.summary = class_names, Summary(skipped=plan.skipped)
        self.targets, self.sinks = [], plan.sinks()

    def all(self, batch):
        """Images, videos, cameras."""
        plan, summary = self.plan, self.summary
        with ExitStack() as stack:
            if "coco" in plan.save:
                self._announce(plan.target_of_coco)
                coco = writing_coco(plan.target_of_coco, self.class_names, plan.root)
                self.sinks.append(stack.enter_context(coco))
            if plan.images.count:
                self._images(batch)
            for reader in plan.videos:
                self._video(reader, batch)
            for camera in plan.cameras:
                self._camera(camera)
            if not summary.images + summary.frames:
                raise DataError(summary.skipped[0][1] if summary.skipped else "nothing was read")
        summary.written += [f"{plan.output / name}" for name in ("masks", "labelme")
                            if name in plan.save]
        summary.written += [str(plan.target_of_coco)] * ("coco" in plan.save)
        return summary

    def partial(self):
        """Files that Ctrl-C left."""
        return [path for path in map(partial_path, self.targets) if path.exists()]

    def _announce(self, target):
        """Notes a target, and removes what an earlier Ctrl-C left of it."""
        partial_path(target).unlink(missing_ok=True)
        self.targets.append(target)

    def _images(self, batch):
        sinks = [outputs.PictureFiles(self.plan.output)] if self.draw else []
        done = self._through(self.plan.images, "pictures", sinks, batch)
        self.summary.images += done
        if self.draw and done:
            self.summary.written.append(f"{self.plan.output}: {counted(done, 'picture')}")

    def _video(self, reader, batch):
        offset = reader.first / reader.rate
        rate = reader.rate / reader.every
        options = {"pixel_aspect": reader.pixel_aspect, "tick": reader.tick}
        if self.plan.rate is None or self.plan.rate == rate:
            options.update(sound=reader.path, sound_start=offset + reader.origin)
        elif reader.has_sound:
            self.summary.notes.append(f"{reader.path}: without its sound, which --fps puts out "
                                      "of step")
        try:
            self._moving(reader, self.plan.rate or rate, batch, options, float(offset))
        except DataError as error:
            self.summary.skipped.append((reader.path, str(error)))
        if reader.lost:
            self.summary.notes.append(lost_text(reader))

    def _camera(self, camera):
        self._moving(camera, self.plan.rate or camera.rate, 1, {"tick": CLOCK}, 0.0,
                     is_live=True)

    def _moving(self, source, rate, batch, options, offset, is_live=False):
        """The frames of a video or a camera, into a video where pictures are wanted."""
        if not self.draw:
            self.summary.frames += self._through(source, source.path.name, [], batch, is_live)
            return
        target = self.plan.target_of_video(source)
        self._announce(target)
        with writing_video(target, rate, **options) as writer:
            keeps_time = self.plan.rate is None or "sound" in options
            sink = _IntoVideo(writer, offset if keeps_time else None)
            self.summary.frames += self._through(source, source.path.name, [sink], batch, is_live)
        self.summary.written.append(str(target))
        self.summary.notes += [f"{target}: {note}" for note in writer.notes]

    def _through(self, frames, text, sinks, batch, is_live=False):
        """Sends frames through the detector into sinks; answers how many there were."""
        done = 0
        with closing(pipeline.found(frames, self.detect, self.draw, batch)) as found:
            try:
                for frame, result, picture in found:
                    for sink in [*sinks, *self.sinks]:
                        sink.add(frame, result, picture)
                    self.summary.objects.update(self.class_names[i] for i in result["class_ids"])
                    done += 1
                    if self.progress is not None:
                        self.progress(done, frames.count, text)
                    self.ctrl_c.check()
            except KeyboardInterrupt:
                if not is_live:
                    raise
                self.ctrl_c.presses = 0
        return done


class _IntoVideo:
    """Pictures into a VideoWriter: at their times since `offset`, or evenly where it is None."""

    def __init__(self, writer, offset):
        self._writer, self._offset = writer, offset

    def add(self, frame, result, picture):
        """Writes one picture."""
        time = None if self._offset is None else max(frame.time - self._offset, 0.0)
        self._writer.write(picture, time)
