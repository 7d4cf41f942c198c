"""CPU time of a picture of detections: `visualize.Renderer` beside `visualize.display_instances`.

    python benchmarks/rendering.py --width 1280 --height 720 --instances 20

draws the same made-up ellipses both ways, in turn, and prints the least and the median CPU
time of each: the renderer to an array and to a PNG, the figure to a PNG of the same size.
"""

import argparse
import io
import time

import numpy as np

from mrcnn import visualize


def scene(height, width, count, seed=0):
    """(image, dict as `detect` answers it) with ellipses of 5 to 30 % of the image's side."""
    rng = np.random.default_rng(seed)
    image = np.indices((height, width)).transpose(1, 2, 0)[..., [0, 1, 0]].astype(np.uint8)
    masks = np.moveaxis(np.zeros((count, height, width), bool), 0, -1)  # as `detect` answers them
    boxes = np.zeros((count, 4), np.int32)
    rows, columns = np.ogrid[:height, :width]
    for i in range(count):
        radii = np.sqrt(height * width) * rng.uniform(0.025, 0.15, 2)
        y, x = rng.uniform(0.1, 0.9, 2) * (height, width)
        masks[..., i] = ((rows - y) / radii[0]) ** 2 + ((columns - x) / radii[1]) ** 2 <= 1
        set_rows, set_columns = (np.flatnonzero(masks[..., i].any(axis=k)) for k in (1, 0))
        boxes[i] = set_rows[0], set_columns[0], set_rows[-1] + 1, set_columns[-1] + 1
    class_ids, scores = rng.integers(1, 4, count), rng.uniform(0.5, 1, count)
    return image, {"rois": boxes, "masks": masks, "class_ids": class_ids, "scores": scores}


def as_png(picture):
    """The picture as bytes of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def main():
    """Reads the arguments, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    import matplotlib

    matplotlib.use("Agg")
    names = ["BG", "person", "bicycle", "car"]
    image, result = scene(args.height, args.width, args.instances)
    fast, splash = visualize.Renderer(names), visualize.Renderer(names, splash=True)

    def figure():
        found = (result[key] for key in ("rois", "masks", "class_ids"))
        size = args.width / 100, args.height / 100
        drawn = visualize.display_instances(image, *found, names, result["scores"], figsize=size)
        drawn.savefig(io.BytesIO(), format="png", dpi=100)

    ways = {"Renderer.draw": lambda: fast.draw(image, result),
            "Renderer.draw, splash": lambda: splash.draw(image, result),
            "Renderer.draw, as PNG": lambda: as_png(fast.draw(image, result)),
            "display_instances, as PNG": figure}
    times = {name: [] for name in ways}
    for round_ in range(args.rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            if round_:  # the first warms up fonts and caches
                times[name].append(time.process_time() - start)
    for name, seconds in times.items():
        least, median = 1e3 * min(seconds), 1e3 * np.median(seconds)
        print(f"{name:28}{least:9.1f} ms at least, {median:.1f} ms in the median")


if __name__ == "__main__":
    main()
