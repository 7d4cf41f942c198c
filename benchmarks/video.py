"""What a video costs beside the network, and how much memory a long one takes.

    python benchmarks/video.py [--model MODEL] [--frames 200] [--size 720 1280] [--rounds 3]

Without a model the network is a wait of --wait seconds a frame, as one on a GPU would be. Each
round measures, one after the other: the network alone over all frames, and the whole of `mrcnn
detect` (decode, detect, draw, encode, COCO file). Printed are the medians and their ratio, and
the peak memory after a tenth of the frames and after all.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

import clips  # noqa: E402

from mrcnn.commands import detecting  # noqa: E402
from mrcnn.media.plan import Plan  # noqa: E402
from mrcnn.media.running import carry_out  # noqa: E402
from mrcnn.media.video_reader import VideoReader  # noqa: E402
from mrcnn.results.result import Result  # noqa: E402

OBJECTS = 5


def waiting_detector(seconds, size):
    """Waits, and answers OBJECTS disks an image."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    masks = np.stack([(rows - height / 2) ** 2 + (columns - width * (i + 1) / (OBJECTS + 1)) ** 2
                      < (height / 6) ** 2 for i in range(OBJECTS)], axis=-1)
    places = [np.nonzero(masks[..., i]) for i in range(OBJECTS)]
    rois = np.array([[y.min(), x.min(), y.max() + 1, x.max() + 1] for y, x in places], np.int32)
    found = Result({"rois": rois, "class_ids": np.ones(OBJECTS, np.int32),
                    "scores": np.linspace(0.9, 0.5, OBJECTS).astype(np.float32), "masks": masks})
    found["masks"] = found.windowed_masks()

    def detect(images):
        time.sleep(seconds * len(images))
        return [found] * len(images)

    return detect


def moving(number, size):
    """A frame with some detail that moves."""
    rows, columns = np.mgrid[:size[0], :size[1]]
    waves = np.stack([(rows * (k + 1) + columns * 2 + 5 * number) % 256 for k in range(3)], -1)
    return waves.astype(np.uint8)


def peak_mb():
    """Highest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work):
    """Seconds of a function without arguments."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", type=int, nargs=2, default=(720, 1280))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wait", type=float, default=0.05)
    parser.add_argument("--batch", type=int, default=2)
    args = parser.parse_args()
    names = ["BG", "object"]
    detect = waiting_detector(args.wait, args.size)
    if args.model:
        from mrcnn.commands.opening import open_detector

        model = open_detector(args.model)
        names, detect = detecting.names_of(model), detecting.detector(model)
    with tempfile.TemporaryDirectory() as folder:
        path = clips.clip(Path(folder, "v.mp4"), args.frames, tuple(args.size), picture=moving)
        first = [frame.image for frame in VideoReader(path, limit=args.batch)]
        detect(first)
        peaks, pairs = {}, []

        def note(done, total, text):
            if done in (args.frames // 10, args.frames):
                peaks.setdefault(done, peak_mb())

        for number in range(args.rounds):
            alone = timed(lambda: [detect(first) for _ in range(args.frames // args.batch)])
            plan = Plan([path], Path(folder, str(number)))
            whole = timed(lambda plan=plan: carry_out(plan, detect, names, detecting.painter(names),
                                                      args.batch, note))
            pairs.append((alone, whole))
            print(f"network alone {alone:.2f} s, whole {whole:.2f} s: {whole / alone:.3f}")
    print(f"median of whole / network: {statistics.median(w / a for a, w in pairs):.3f}; "
          f"{args.frames / statistics.median(w for _, w in pairs):.1f} frames a second")
    print("peak memory:", ", ".join(f"{mb:.0f} MB after {done} frames"
                                    for done, mb in peaks.items()))


if __name__ == "__main__":
    main()
