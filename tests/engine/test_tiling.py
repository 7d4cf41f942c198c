"""detect_tiled with a detector that knows the truth: what borders cut has to come out whole.

The pixels of an image are the truth: channel 0 holds the number of the object, channel 1 its
class. So the detector is a pure function of a tile: it reports each number that it sees.
"""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk

from mrcnn.config import Config
from mrcnn.engine.tiling import detect_tiled, tiles_of
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.lazy_masks import PackedMasks, WindowedMasks
from mrcnn.geometry.masks import compute_overlaps_masks
from mrcnn.results import Result


def config_of(**knobs):
    config = type("Tiles", (Config,), {"NUM_CLASSES": 5, "IMAGES_PER_GPU": 3,
                                       "IMAGE_MAX_DIM": 64, "IMAGE_MIN_DIM": 64, **knobs})()
    return config


def found_in(tile, least=6):
    """The truth of one tile, as a detector would report it; the least slivers are not seen."""
    areas = np.bincount(tile[..., 0].ravel())
    numbers = np.flatnonzero(areas[1:] >= least) + 1
    masks = tile[..., 0][..., None] == numbers
    classes = [tile[..., 1][masks[..., i]][0] for i in range(len(numbers))]
    scores = 0.5 + masks.sum((0, 1)) / (2 * tile.shape[0] * tile.shape[1] + 1)
    order = np.argsort(-scores, kind="stable")
    return Result({"rois": extract_bboxes(masks)[order],
                   "class_ids": np.array(classes, np.int32)[order],
                   "scores": scores[order].astype(np.float32), "masks": masks[..., order]},
                  tile.shape)


def detector(tiles):
    return [found_in(tile) for tile in tiles]


def scene(shape, *objects):
    """An image of objects (class id, pixels), later ones on top."""
    image = np.zeros((*shape, 3), np.uint16)
    for number, (class_id, place) in enumerate(objects, start=1):
        image[place] = number, class_id, 0
    return image


def check(result, image):
    """Each object of the image once, to the pixel."""
    numbers = np.unique(image[..., 0][image[..., 0] > 0])
    truth = image[..., 0][..., None] == numbers
    assert result.count == len(numbers)
    if not result.count:
        return
    overlaps = compute_overlaps_masks(np.asarray(result["masks"]), truth)
    match = overlaps.argmax(axis=1)
    assert sorted(match) == list(range(len(numbers)))
    np.testing.assert_array_equal(overlaps.max(axis=1), 1)
    np.testing.assert_array_equal(result["rois"], extract_bboxes(truth)[match])
    classes = [image[..., 1][truth[..., i]][0] for i in match]
    np.testing.assert_array_equal(result["class_ids"], classes)
    assert (np.diff(result["scores"]) <= 0).all()


def circle(y, x, radius):
    return disk((y, x), radius)


SHAPE = (200, 170)
SCENES = {
    "nothing": [],
    "in the middle of a tile": [(1, circle(25, 25, 9))],
    "on borders": [(1, circle(50, 50, 14)), (2, circle(100, 60, 14)), (3, circle(148, 140, 14)),
                   (4, circle(60, 110, 9))],
    "larger than the overlap": [(1, np.s_[40:75, 30:75]), (2, np.s_[100:140, 90:150])],
    "larger than a tile": [(1, np.s_[10:190, 10:160])],
    "long": [(2, np.s_[95:104, 3:168])],
    "touching objects of one class": [(1, np.s_[30:60, 30:60]), (1, np.s_[30:60, 60:90]),
                                      (1, np.s_[60:90, 30:60]), (1, np.s_[60:90, 60:90])],
    "one class on another": [(1, np.s_[20:150, 20:150]), (2, circle(60, 60, 15))],
    "one class on itself": [(1, np.s_[20:150, 20:150]), (1, circle(60, 60, 15))],
    "a U whose arms one tile sees apart": [(3, (np.r_[20:50].repeat(40),
                                                np.tile(np.r_[30:50, 70:90], 30))),
                                           (3, np.s_[0:0, 0:0])],
}


def arms_joined(image):
    """The U gets its base."""
    image[20:30, 30:90] = 1, 3, 0
    return image


@pytest.mark.parametrize("tile", [64, (64, 48), 40])
@pytest.mark.parametrize("name", SCENES)
def test_every_object_comes_out_once(name, tile):
    image = scene(SHAPE, *SCENES[name])
    image = arms_joined(image) if "U" in name else image
    check(detect_tiled(detector, image, config_of(), tile, overlap=0.3), image)


@pytest.mark.parametrize("seed", range(6))
def test_random_scenes(seed):
    rng = np.random.default_rng(seed)
    objects = [(int(rng.integers(1, 5)), disk(rng.uniform(12, 150, 2), rng.uniform(5, 12)))
               for _ in range(12)]
    image = scene(SHAPE, *objects)
    for number in np.unique(image[..., 0]):  # what is left of a covered object may be in pieces
        place = image[..., 0] == number
        if number and place.sum() < 60:
            image[place] = 0
    tile, overlap = int(rng.integers(40, 90)), float(rng.uniform(0.3, 0.6))
    check(detect_tiled(detector, image, config_of(), tile, overlap), image)


def rough(tiles):
    """A detector whose masks and boxes are a pixel off, in another direction each time."""
    results = detector(tiles)
    for result in results:
        masks = result["masks"]
        for i in range(result.count):
            step = (i + int(masks[..., i].sum())) % 3 - 1
            masks[..., i] = ndimage.shift(masks[..., i], (step, 0) if i % 2 else (0, step), order=0)
        result["rois"] = extract_bboxes(masks)
    return results


def test_masks_that_do_not_quite_agree_are_one_object_still():
    image = scene(SHAPE, *SCENES["on borders"], *SCENES["long"])
    result = detect_tiled(rough, image, config_of(), 64, overlap=0.4)
    assert sorted(result["class_ids"]) == [1, 2, 2, 3, 4]
    truth = image[..., 0][..., None] == np.arange(1, 6)
    overlaps = compute_overlaps_masks(np.asarray(result["masks"]), truth)
    np.testing.assert_array_less(0.75, overlaps.max(axis=1))


def test_a_sliver_that_looks_like_something_else_is_left_out():
    """Cut objects are taken for another class while less than half of them is seen."""
    image = scene(SHAPE, (1, circle(50, 48, 14)), (2, circle(120, 100, 14)))
    areas = np.bincount(image[..., 0].ravel())

    def doubtful(tiles):
        results = detector(tiles)
        for tile, result in zip(tiles, results, strict=True):
            for i in range(result.count):
                mask = result["masks"][..., i]
                if mask.sum() < areas[tile[..., 0][mask][0]] / 2:
                    result["class_ids"][i] = 4
        return results

    reported = doubtful([image[:64, :64], image[:64, 50:114]])
    assert 4 in np.concatenate([result["class_ids"] for result in reported])
    check(detect_tiled(doubtful, image, config_of(), 64, overlap=0.5), image)


def test_the_surer_of_two_whole_ones_stays_with_its_own_mask():
    def two_views(tiles):
        results = detector(tiles)
        for result, score in zip(results, (0.6, 0.9), strict=True):
            result["scores"] = np.full(result.count, score, np.float32)
        results[0]["masks"][30, 45] = False
        return results

    image = scene((64, 96), (1, np.s_[25:35, 40:55]))
    result = detect_tiled(two_views, image, config_of(), 64, overlap=0.5)
    assert result["scores"].tolist() == [np.float32(0.9)]
    assert np.asarray(result["masks"])[30, 45, 0]


def test_two_classes_for_one_object_go_by_the_knob():
    def undecided(tiles):
        results = detector(tiles)
        results[1]["class_ids"] += 1
        return results

    image = scene((64, 96), (1, np.s_[25:35, 40:55]))
    both = detect_tiled(undecided, image, config_of(), 64, overlap=0.5)
    assert sorted(both["class_ids"]) == [1, 2]
    one = detect_tiled(undecided, image, config_of(DETECTION_NMS_ACROSS_CLASSES=0.7), 64, 0.5)
    assert one.count == 1


def test_pieces_of_two_classes_are_two_objects():
    def undecided(tiles):
        results = detector(tiles)
        results[1]["class_ids"] += 1
        return results

    image = scene((64, 96), (1, np.s_[20:44, 10:90]))
    result = detect_tiled(undecided, image, config_of(), 64, overlap=0.5)
    assert sorted(zip(result["class_ids"], result["rois"][:, 1], result["rois"][:, 3],
                      strict=True)) == [(1, 10, 64), (2, 32, 90)]


@pytest.mark.parametrize(("merge", "count"), [(0.4, 1), (0.6, 2)])
def test_merge_says_how_much_has_to_agree(merge, count):
    """The second tile sees its end of a bar lower by half the bar's height."""
    def shifted(tiles):
        return [found_in(tiles[0]), found_in(np.roll(tiles[1], 12, axis=0))]

    image = scene((64, 96), (1, np.s_[20:44, 10:90]))
    assert detect_tiled(shifted, image, config_of(), 64, 0.5, merge).count == count


# --- tiles ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("shape", "tile", "overlap"), [
    ((200, 170), (64, 64), 0.25), ((64, 64), (64, 64), 0.25), ((65, 64), (64, 64), 0.0),
    ((30, 500), (64, 64), 0.5), ((10, 10, 3), (64, 48), 0.9), ((101, 99), (7, 5), 0.8),
    ((8000, 5000, 3), (1024, 1024), 0.25),
])
def test_tiles_cover_the_image_and_overlap(shape, tile, overlap):
    tiles = tiles_of(shape, tile, overlap)
    sides = np.minimum(tile, shape[:2])
    np.testing.assert_array_equal(tiles[:, 2:] - tiles[:, :2], np.tile(sides, (len(tiles), 1)))
    for axis in (0, 1):
        starts = np.unique(tiles[:, axis])
        assert starts[0] == 0 and starts[-1] + sides[axis] == shape[axis]
        shared = sides[axis] - np.diff(starts)
        np.testing.assert_array_less(np.floor(overlap * sides[axis]) - 1.5, shared)
    assert len(np.unique(tiles, axis=0)) == len(tiles)


def test_the_size_of_the_network_is_the_usual_tile():
    seen = []

    def looking(tiles):
        seen.extend(tile.shape for tile in tiles)
        return detector(tiles)

    detect_tiled(looking, scene((100, 150)), config_of(IMAGE_MAX_DIM=128))
    assert set(seen) == {(100, 128, 3)}
    assert len(seen) == 2


def test_the_shortest_edge_is_the_usual_tile_where_it_decides():
    """A square of that side is neither enlarged nor shrunk."""
    sizes = []

    def seen(tiles):
        sizes.extend(tile.shape[:2] for tile in tiles)
        return [found_in(tile) for tile in tiles]

    config = config_of(IMAGE_RESIZE_MODE="shortest_edge", IMAGE_MAX_DIM=107)
    detect_tiled(seen, np.zeros((150, 200, 3), np.uint8), config)
    assert set(sizes) == {(64, 64)}


def test_batches_hold_no_more_than_the_config_says():
    sizes = []

    def counting(tiles):
        sizes.append(len(tiles))
        return detector(tiles)

    detect_tiled(counting, scene(SHAPE), config_of(), 64)
    assert max(sizes) == 3 and sum(sizes) == len(tiles_of(SHAPE, (64, 64), 0.25))


# --- images that are no arrays in memory ----------------------------------------------------

class Painted:
    """8000 x 5000 pixels of 300 disks, painted where they are looked at."""

    shape = (8000, 5000, 3)

    def __init__(self):
        rng = np.random.default_rng(2)
        y, x = np.mgrid[0:20, 0:15]
        self.centres = np.stack([y.ravel() * 400 + 200, x.ravel() * 330 + 165], axis=1)
        self.centres += rng.integers(-40, 40, self.centres.shape)
        self.radii, self.largest = rng.uniform(30, 110, 300), 0

    def __getitem__(self, place):
        (y1, y2, _), (x1, x2, _) = (part.indices(side) for part, side
                                    in zip(place, self.shape, strict=False))
        out = np.zeros((y2 - y1, x2 - x1, 3), np.uint16)
        self.largest = max(self.largest, out.size)
        for number, ((y, x), radius) in enumerate(zip(self.centres, self.radii, strict=True), 1):
            if y1 - radius < y < y2 + radius and x1 - radius < x < x2 + radius:
                rows, columns = disk((y - y1, x - x1), radius, shape=out.shape[:2])
                out[rows, columns] = number, 1 + number % 4, 0
        return out


def found_by_windows(tile):
    """As `found_in`, with packed masks."""
    numbers, classes = tile[..., 0].astype(np.int32), tile[..., 1]
    places = [(i, place) for i, place in enumerate(ndimage.find_objects(numbers), 1) if place]
    parts = [numbers[place] == i for i, place in places]
    boxes = np.array([[y.start, x.start, y.stop, x.stop] for _, (y, x) in places]).reshape(-1, 4)
    return Result({"rois": boxes, "scores": np.full(len(parts), 0.9, np.float32),
                   "class_ids": np.array([classes[place][part][0] for (_, place), part
                                          in zip(places, parts, strict=True)], np.int32),
                   "masks": PackedMasks.of_windows(boxes, parts, tile.shape)}, tile.shape)


def test_a_very_large_image_stays_out_of_memory():
    image = Painted()
    tracemalloc.start()
    try:
        result = detect_tiled(lambda tiles: [found_by_windows(tile) for tile in tiles], image,
                              config_of(), tile=1024)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.count == 300 and result.image is image
    assert isinstance(result["masks"], WindowedMasks)
    assert image.largest == 1024 * 1024 * 3
    assert kept < 4e6, "300 masks of this image as an array take 12 GB"
    assert peak < 250e6
    areas = sorted(result["masks"].inside(i).sum() for i in range(300))
    np.testing.assert_allclose(areas, np.sort(np.pi * image.radii**2), rtol=0.02)
    for i in (0, 299):
        y1, x1, y2, x2 = result["rois"][i]
        assert result["masks"][y1:y2, x1:x2, i].sum() == result["masks"].inside(i).sum()


def test_a_tiff_is_read_piece_by_piece(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    image = scene(SHAPE, *SCENES["on borders"])
    tifffile.imwrite(tmp_path / "big.tif", image)
    mapped = tifffile.memmap(tmp_path / "big.tif", mode="r")
    check(detect_tiled(detector, mapped, config_of(), 64), image)


# --- bad input ------------------------------------------------------------------------------

IMAGE = scene(SHAPE)


@pytest.mark.parametrize(("image", "options", "error", "message"), [
    ("a.tif", {}, TypeError, r"image: expected an array.*received str.*tifffile\.memmap"),
    ([IMAGE], {}, TypeError, "received list"),
    (IMAGE[None], {}, ValueError, r"received shape \(1, 200, 170, 3\)"),
    (IMAGE[:0], {}, ValueError, r"received shape \(0, 170, 3\)"),
    (IMAGE[..., :2], {}, ValueError, r"image\[0:64, 0:64\]: expected 3 channels"),
    (IMAGE, {"tile": 0}, ValueError, "tile = 0: expected pixels"),
    (IMAGE, {"tile": 64.5}, ValueError, "tile = 64.5"),
    (IMAGE, {"tile": (64, 64, 3)}, ValueError, "tile = "),
    (IMAGE, {"overlap": 1}, ValueError, "overlap = 1: expected a number of at least 0"),
    (IMAGE, {"overlap": -0.1}, ValueError, "overlap"),
    (IMAGE, {"merge": 0}, ValueError, "merge = 0: expected a number above 0"),
    (IMAGE, {"merge": "nms"}, ValueError, "merge = 'nms': expected a number above 0"),
], ids=lambda value: "" if hasattr(value, "shape") else None)
def test_bad_input_is_named(image, options, error, message):
    with pytest.raises(error, match=message):
        detect_tiled(detector, image, config_of(), **options)
