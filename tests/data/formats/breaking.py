"""Seeded damage to annotation files, and a reading of what came of it."""

import copy

import numpy as np
from PIL import Image

from mrcnn.data.formats.annotated import AnnotatedDataset

ODD = [None, True, False, 0, -1, 3.7, 1e300, -1e300, float("nan"), float("inf"), 10**400, "", " ",
       "a", "\0", "../../x.jpg", "/etc/passwd", "http://x/y.jpg", "\ud800", "é" * 300, [], {},
       [[]], [None], {"a": []}, [1, 2], [[1, 2], [3]], {"0": 1}, "9" * 5000]


def nodes(tree, path=()):
    """The paths of all values below a tree of dicts and lists."""
    rows = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(
        tree, list) else ()
    for key, value in rows:
        yield (*path, key)
        yield from nodes(value, (*path, key))


def broken_tree(rng, tree):
    """A copy with one or two values replaced, removed or put twice."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 3)):
        paths = list(nodes(tree))
        if not paths:
            return tree
        *parents, key = paths[rng.integers(len(paths))]
        parent = tree
        for step in parents:
            parent = parent[step]
        what = rng.integers(4)
        if what == 0:
            del parent[key]
        elif what == 1 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        else:
            parent[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
    return tree


def broken_bytes(rng, data):
    """A copy with bytes changed, cut out, cut off or nested deeply."""
    data = bytearray(data)
    what, at = rng.integers(5), int(rng.integers(len(data)))
    if what == 0:
        del data[at:]
    elif what == 1:
        del data[at:at + int(rng.integers(1, 40))]
    elif what == 2:
        data[at:at] = b"[" * 20_000
    else:
        for _ in range(rng.integers(1, 6)):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(data)


def write_image(path, height=40, width=60, seed=0):
    """A noisy image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def read(reader, path, classes=None, **options):
    """A prepared dataset of one source."""
    dataset = AnnotatedDataset(classes)
    reader(dataset, path, **options)
    dataset.prepare()
    return dataset


def kinds(dataset):
    """(kind, region, image) of all findings."""
    return [(one.kind, one.region, one.image) for one in dataset.findings]


def draw_all(dataset, shape=(40, 60)):
    """Draws every object on a canvas of its own; what cannot be drawn is a ValueError."""
    for info in range(len(dataset.image_info)):
        for one in dataset.instances(info):
            try:
                one.region.draw(np.zeros(shape, bool))
            except ValueError:
                continue
