"""CPU time of the training loader beside a plain scikit-image one, stage by stage, in one run.

    python benchmarks/loader.py ../shared/data/balloon/train --coco ../shared/data/coco_tiny

Both read the same images in turn, batch 1, 1024 px, mini-masks and RPN targets, and what they
answer is compared array by array. Then the throughput of 1, 2, ... threads, and what the image
cache and grouping by aspect ratio gain. CPU time is that of all threads of this process.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from reference_loader import ReferenceLoader

from mrcnn import Config, load_dataset
from mrcnn.data import batches, ground_truth
from mrcnn.data.batches import ExampleReader, Passes, assemble
from mrcnn.data.grouping import grouping_of

# Stage -> functions of the loader, by the module that calls them.
STAGES = {
    "read": [(ground_truth, "_load_image")],  # less the resizing inside
    "masks": [(ground_truth, "_load_mask")],  # with boxes and checks
    "resize": [(ground_truth, "resize_image"), (ground_truth, "resize_mask")],
    "mini-masks": [(ground_truth, "extract_bboxes"), (ground_truth, "minimize_mask")],
    "targets": [(batches, "build_rpn_targets")],
    "mold": [(batches, "mold_image")],
}
NAMES = (*STAGES, "other")


class BalloonConfig(Config):
    """The default sizes with one class."""

    NAME, NUM_CLASSES, IMAGES_PER_GPU, SEED = "balloon", 2, 1, 0


class Ours:
    """The library's loader, one image a batch."""

    def __init__(self, dataset, config):
        self.config, self.image_ids = config, dataset.image_ids
        self.reader = ExampleReader(dataset, config)

    def __call__(self, index, augment_pass=0):
        rng = np.random.default_rng([augment_pass, index])
        return assemble([self.reader.read(self.image_ids[index], rng)], self.config)


@contextmanager
def stage_times(times):
    """Adds the CPU seconds of each stage to `times`; a stage inside another counts once."""
    inside = []

    def timed(stage, function):
        def run(*args, **kwargs):
            inside.append(0.0)
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - start
                times[stage] += spent - inside.pop()
                if inside:
                    inside[-1] += spent
        return run

    patches = [mock.patch.object(module, name, timed(stage, getattr(module, name)))
               for stage, places in STAGES.items() for module, name in places]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def reference(loader, index, times=None):
    """All arrays of one image from the plain loader."""
    times = Counter() if times is None else times

    def stage(name, function, *args):
        start = time.process_time()
        answer = function(*args)
        times[name] += time.process_time() - start
        return answer

    image = stage("read", loader.read, index)
    masks = stage("masks", loader.masks, index, image.shape[:2])
    image, masks, window = stage("resize", loader.resize, image, masks)
    boxes = stage("mini-masks", loader.boxes, masks)
    mini = stage("mini-masks", loader.mini_masks, masks, boxes)
    targets = stage("targets", loader.targets, boxes, np.random.default_rng(index))
    molded = stage("mold", loader.mold, image)
    return molded, window, boxes, mini, targets


def compare(ours, theirs):
    """Raises AssertionError where the arrays of one image differ."""
    molded, window, boxes, mini, (whole, _, deltas) = theirs
    count = len(boxes)
    np.testing.assert_array_equal(ours["images"][0], molded)
    np.testing.assert_array_equal(ours["image_meta"][0, 7:11], window)
    np.testing.assert_array_equal(ours["gt_boxes"][0, :count], boxes)
    np.testing.assert_array_equal(ours["gt_masks"][0, :, :, :count], mini)
    assert not ours["gt_class_ids"][0, count:].any()
    match = ours["rpn_match"][0, :, 0]
    assert (whole[match == -1] == -1).all()  # which of them is left to chance
    if (whole == 1).sum() <= 128:
        np.testing.assert_array_equal(match == 1, whole == 1)
        np.testing.assert_allclose(ours["rpn_bbox"][0], deltas, atol=1e-5)


def cpu(function, *args):
    """(answer, CPU seconds of the process)."""
    start = time.process_time()
    answer = function(*args)
    return answer, time.process_time() - start


def paired(ours, plain, count, rounds):
    """Compares everything once, then times both in turn: [rounds, count, (ours, reference)]."""
    for index in range(count):
        compare(ours(index), reference(plain, index))
    return np.array([[(cpu(ours, index)[1], cpu(reference, plain, index)[1])
                      for index in range(count)] for _ in range(rounds)])


def print_stages(ours, plain, count):
    """One table of both loaders, ms of CPU an image and the share."""
    own, other = Counter(), Counter()
    whole = 0.0
    with stage_times(own):
        for index in range(count):
            whole += cpu(ours, index)[1]
            reference(plain, index, other)
    own["other"] = whole - sum(own.values())
    print(f"\n{'ms CPU an image':16}{'ours':>8}{'share':>7}{'reference':>12}{'share':>7}")
    for name in NAMES:
        mine, theirs = own[name] / count, other[name] / count
        print(f"{name:16}{mine * 1e3:8.1f}{mine * count / whole:7.0%}{theirs * 1e3:12.1f}"
              f"{theirs * count / sum(other.values()):7.0%}")


def thread_times():
    """(wall, CPU, waiting for a core) seconds of this thread; Linux counts the last, else 0."""
    try:
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        running, waiting = (int(part) / 1e9 for part in Path(path).read_text().split()[:2])
    except OSError:
        running, waiting = time.thread_time(), 0.0
    return np.array([time.perf_counter(), running, waiting])


def throughput(ours, count, threads):
    """(images a second, speed-up on free cores) of threads that read a pass each.

    On cores that other processes use too, only the second says how threads get along: a thread
    that neither runs nor waits for a core waits for another thread.
    """
    def read(first):
        start = thread_times()
        for i in range(count):
            ours((first + i) % count)
        return thread_times() - start

    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        spent = list(pool.map(read, [i * count // threads for i in range(threads)]))
        wall = time.perf_counter() - start
    return threads * count / wall, sum(cpu / (whole - waited) for whole, cpu, waited in spent)


def print_threads(ours, count, most, rounds):
    """Images a second by number of threads, the numbers in turn, medians."""
    numbers = range(1, most + 1)
    runs = np.array([[throughput(ours, count, number) for number in numbers]
                     for _ in range(rounds)])
    for number in numbers:
        rate, free = np.median(runs[:, number - 1], axis=0)
        speedup = statistics.median(runs[:, number - 1, 0] / runs[:, 0, 0])
        print(f"{number} threads: {rate:6.1f} images/s, {speedup:.2f} x one thread here, "
              f"{free:.2f} x on free cores")


def print_cache(dataset, config, count, plain_ms):
    """Second pass with the image cache in memory and in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        for where, path in (("memory", None), ("a folder", folder)):
            config.IMAGE_CACHE_MB, config.IMAGE_CACHE_DIR = 1024, path
            cached = Ours(dataset, config)
            for index in range(count):
                cached(index)
            times = [cpu(cached, index)[1] for _ in range(3) for index in range(count)]
            ms = 1e3 * sum(times) / len(times)
            print(f"image cache in {where}: {ms:.1f} ms an image, without {plain_ms:.1f}, "
                  f"{cached.reader.cache.bytes / 2**20:.0f} MB")
    config.IMAGE_CACHE_MB, config.IMAGE_CACHE_DIR = 0, None


def padded_share(dataset, config, pictures):
    """Share of the pixels of five passes of batches that is padding."""
    passes = Passes(dataset.image_ids, True, 0, grouping_of(dataset, config, config.BATCH_SIZE))
    size = config.BATCH_SIZE
    used = made = 0
    for batch in range(5 * len(pictures) // size):
        places = [passes.place(batch * size + i) for i in range(size)]
        row = [pictures[passes.order(number)[place]] for number, place in places]
        used += sum(inside for _, inside in row)
        made += size * np.max([shape for shape, _ in row], axis=0).prod()
    return 1 - used / made


def print_grouping(folder):
    """Padding of batches of four with and without GROUP_BY_ASPECT, "pad64"."""
    dataset = load_dataset(folder, format="coco", subset="train2017")
    config = type("Padded", (BalloonConfig,), {
        "NUM_CLASSES": dataset.num_classes, "IMAGES_PER_GPU": 4, "IMAGE_MIN_DIM": 512,
        "IMAGE_RESIZE_MODE": "pad64"})()
    pictures = {}
    for image_id in dataset.image_ids:
        image, meta, *_ = ground_truth.load_image_gt(dataset, config, image_id)
        y1, x1, y2, x2 = meta[7:11]
        pictures[image_id] = image.shape[:2], (y2 - y1) * (x2 - x1)
    shares = []
    for config.GROUP_BY_ASPECT in (False, True):
        shares.append(padded_share(dataset, config, pictures))
    print(f"padding of batches of 4, pad64: {shares[0]:.1%}; with GROUP_BY_ASPECT {shares[1]:.1%}")


def main():
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the train folder of the balloon set")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--coco", type=Path, help="a COCO folder, to see what grouping saves")
    args = parser.parse_args()
    config = BalloonConfig()
    dataset = load_dataset(args.folder, format="via")
    ours, plain = Ours(dataset, config), ReferenceLoader(args.folder)
    count = len(plain.entries)
    assert [Path(info["path"]).name for info in dataset.image_info] == [
        entry["filename"] for entry in plain.entries]
    times = paired(ours, plain, count, args.rounds)
    each = 1e3 * np.median(times, axis=0).mean(axis=0)
    ratios = times[:, :, 0].sum(axis=1) / times[:, :, 1].sum(axis=1)
    print(f"{count} images, all arrays equal; median of {args.rounds} rounds")
    print(f"ours {each[0]:.1f} ms, reference {each[1]:.1f} ms, "
          f"ratio {np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f})")
    print_stages(ours, plain, count)
    print()
    print_threads(ours, count, args.threads, args.rounds)
    print_cache(dataset, config, count, each[0])
    if args.coco:
        print_grouping(args.coco)


if __name__ == "__main__":
    main()
