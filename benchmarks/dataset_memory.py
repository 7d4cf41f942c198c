"""Memory and time of reading a COCO file of the size of COCO itself.

    python benchmarks/dataset_memory.py --images 100000 --polygons 7

writes a made-up file with that many images and outlines into a temporary folder, reads it with
`load_dataset` in a process of its own, and prints the file's size, the seconds, and the resident
memory at the peak and afterwards, both above what the process took before.
"""

import argparse
import gc
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

MB = 1 << 20
WIDTH, HEIGHT = 640, 480
CLASSES = 80
LARGEST_RADIUS = 80  # pixels
OUTLINES = 5000  # different ones


def write_file(path, images, polygons, rng):
    """Writes the annotation file; the objects of an image are spread all over it, as in COCO."""
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"images": [')
        for i in range(images):
            file.write(f'{", " if i else ""}{{"license": 4, "file_name": "{i:012d}.jpg", '
                       f'"coco_url": "http://images.cocodataset.org/train2017/{i:012d}.jpg", '
                       f'"height": {HEIGHT}, "width": {WIDTH}, '
                       f'"date_captured": "2013-11-14 11:18:45", "id": {i}}}')
        file.write('], "annotations": [')
        drawn = [outline(rng) for _ in range(OUTLINES)]
        for i in range(images * polygons):
            file.write(f'{", " if i else ""}{{{drawn[i % OUTLINES]}, "iscrowd": 0, "id": {i}, '
                       f'"image_id": {i * 7919 % images}, "category_id": {i % CLASSES + 1}}}')
        file.write('], "categories": [')
        file.write(", ".join(f'{{"supercategory": "thing", "id": {i}, "name": "class {i}"}}'
                             for i in range(1, CLASSES + 1)))
        file.write("]}")


def outline(rng):
    """Segmentation, area and bbox of an object of 10 to 50 points around a centre."""
    count = int(rng.integers(10, 50))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = rng.uniform(5, LARGEST_RADIUS) * rng.uniform(0.7, 1, count)
    x = (rng.uniform(LARGEST_RADIUS, WIDTH - LARGEST_RADIUS) + radius * np.cos(angles)).round(2)
    y = (rng.uniform(LARGEST_RADIUS, HEIGHT - LARGEST_RADIUS) + radius * np.sin(angles)).round(2)
    points = np.stack([x, y], axis=1).ravel().tolist()
    box = [round(float(side), 2) for side in (x.min(), y.min(), np.ptp(x), np.ptp(y))]
    area = round(box[2] * box[3] / 2, 4)
    return f'"segmentation": [{points}], "area": {area}, "bbox": {box}'


def resident():
    """Bytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def measure(path, connection):
    """Reads the file and sends the figures."""
    from mrcnn.data.formats.annotated import AnnotatedDataset
    from mrcnn.data.formats.coco import read_coco

    gc.collect()
    before, start, cpu = resident(), time.perf_counter(), time.process_time()
    dataset = AnnotatedDataset()
    read_coco(dataset, path)
    dataset.prepare()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    gc.collect()
    after = resident()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.perf_counter()
    for image_id in dataset.image_ids[:1000]:
        dataset.load_mask(image_id)
    mask_ms = time.perf_counter() - start
    connection.send((dataset.num_images, len(dataset.findings), seconds, cpu, peak - before,
                     after - before, mask_ms))


def main():
    """Writes, reads, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--polygons", type=int, default=7, help="outlines an image")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "instances_made.json")
        write_file(path, args.images, args.polygons, np.random.default_rng(args.seed))
        names = Path(folder, "made")
        names.mkdir()
        for i in range(args.images):
            (names / f"{i:012d}.jpg").touch()
        here, there = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=measure,
                                                               args=(path, there))
        process.start()
        images, findings, seconds, cpu, peak, after, mask_ms = here.recv()
        process.join()
        print(f"{images} images, {images * args.polygons} outlines, {path.stat().st_size / MB:.0f}"
              f" MB of JSON, {findings} findings")
        print(f"read in {seconds:.1f} s ({cpu:.1f} s of CPU); {peak / MB:.0f} MB above the "
              f"start at the peak, {after / MB:.0f} MB afterwards")
        print(f"masks of an image: {mask_ms:.2f} ms on the mean of 1000")


if __name__ == "__main__":
    main()
