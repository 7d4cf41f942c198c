"""Mean, meta rows, and detections back in the caller's pixels."""

import numpy as np
import pytest
from tolerances import GEOMETRY

from mrcnn.geometry import boxes, masks, molding, resize

MEAN = np.array([123.7, 116.8, 103.9])


def test_every_byte_survives_mold_and_unmold():
    image = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    molded = molding.mold_image(image, MEAN)
    assert molded.dtype == np.float32
    np.testing.assert_allclose(molded[7, 0], 7 - MEAN, rtol=0, atol=GEOMETRY * 10)
    back = molding.unmold_image(molded, MEAN)
    np.testing.assert_array_equal(back, image)
    assert back.dtype == np.uint8


def test_unmold_stays_in_range():
    np.testing.assert_array_equal(
        molding.unmold_image(np.array([[[-500.0, 0.0, 500.0]]]), MEAN), [[[0, 117, 255]]]
    )


@pytest.mark.parametrize("channels", [1, 4, 8])
def test_mold_of_other_channel_counts(channels):
    image = np.full((2, 3, channels), 10, np.uint8)
    np.testing.assert_array_equal(molding.mold_image(image, np.arange(channels))[0, 0],
                                  10 - np.arange(channels))
    np.testing.assert_array_equal(molding.mold_image(image, 4.0), 6)


def test_mean_must_fit_the_channels():
    with pytest.raises(ValueError, match=r"mean_pixel: expected 4 values .* received 3"):
        molding.mold_image(np.zeros((2, 2, 4), np.uint8), MEAN)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("std", [[58.395, 57.12, 57.375], [2.0], 57.0])
def test_mean_and_deviation(dtype, std):
    image = (np.random.default_rng(0).random((5, 7, 3)) * 255).astype(dtype)
    molded = molding.mold_image(image, MEAN, image_std=std)
    expected = np.zeros(image.shape)
    for place in np.ndindex(image.shape):
        deviation = np.broadcast_to(std, 3)[place[2]]
        expected[place] = (float(image[place]) - MEAN[place[2]]) / deviation
    assert molded.dtype == np.float32
    np.testing.assert_allclose(molded, expected, rtol=GEOMETRY, atol=GEOMETRY)
    back = molding.unmold_image(molded, MEAN, std)
    np.testing.assert_array_equal(back, np.rint(image).astype(np.uint8))


def test_deviation_must_fit_the_channels():
    with pytest.raises(ValueError, match=r"image_std: expected 3 values .* received 2"):
        molding.mold_image(np.zeros((2, 2, 3), np.uint8), MEAN, image_std=[1.0, 2.0])


def test_a_deviation_of_one_changes_no_bit():
    image = (np.random.default_rng(0).random((9, 9, 3)) * 255).astype(np.float32)
    for one in (image, image.astype(np.uint8)):
        np.testing.assert_array_equal(molding.mold_image(one, MEAN, image_std=np.ones(3)),
                                      molding.mold_image(one, MEAN))


@pytest.mark.parametrize("window", [(0, 0, 4, 6), (1, 2, 5, 3), (0, 0, 6, 8), (3, 3, 3, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_outside_the_window_is_zero(window, dtype):
    image = np.zeros((6, 8, 3), dtype)
    y1, x1, y2, x2 = window
    image[y1:y2, x1:x2] = 9
    out = np.full(image.shape, 7, np.float32)
    molded = molding.mold_image(image, MEAN, out, [2.0, 4.0, 8.0], window)
    assert molded is out
    expected = np.zeros(image.shape)
    expected[y1:y2, x1:x2] = (9 - MEAN) / [2, 4, 8]
    np.testing.assert_allclose(out, expected, rtol=GEOMETRY)


def test_meta_there_and_back():
    rows = [(7, (100, 140, 3), (128, 128, 3), (14, 0, 114, 128), 0.9, [1, 1, 0, 1]),
            (8, (10, 14, 1), (64, 64, 1), (0, 5, 64, 60), 2.5, [1, 0, 0, 0])]
    meta = molding.parse_image_meta(np.stack([molding.compose_image_meta(*row) for row in rows]))
    names = ("image_id", "original_image_shape", "image_shape", "window", "scale",
             "active_class_ids")
    assert tuple(meta) == names
    for position, name in enumerate(names):
        expected = np.array([row[position] for row in rows])
        np.testing.assert_allclose(meta[name], expected, rtol=GEOMETRY)
        assert meta[name].dtype == (np.float32 if name == "scale" else np.int32)


def test_meta_refuses_wrong_parts():
    with pytest.raises(ValueError, match=r"image_shape: expected 3 numbers, received \(128, 128\)"):
        molding.compose_image_meta(0, (1, 1, 3), (128, 128), (0, 0, 1, 1), 1, [1])
    with pytest.raises(ValueError, match=r"received \(16,\)"):
        molding.parse_image_meta(np.zeros(16))
    with pytest.raises(ValueError, match=r"received \(2, 9\)"):
        molding.parse_image_meta(np.zeros((2, 9)))


def network_answer(rng, boxes_px, class_ids, image_shape, rows=10, classes=4):
    """Detections padded with zero rows, and soft masks, as the network gives them."""
    detections = np.zeros((rows, 6), np.float32)
    count = len(boxes_px)
    detections[:count, :4] = boxes.norm_boxes(boxes_px, image_shape)
    detections[:count, 4] = class_ids
    detections[:count, 5] = np.linspace(0.9, 0.5, count)
    return detections, rng.random((rows, 28, 28, classes)).astype(np.float32)


def slow_unmold(detections, soft, original_shape, image_shape, window):
    answer = ([], [], [], [])
    y1, x1, y2, x2 = boxes.norm_boxes(np.array(window), image_shape).astype(float)
    for row, layers in zip(detections.astype(float), soft, strict=True):
        if row[4] == 0:
            break
        inside = (row[:4] - [y1, x1, y1, x1]) / [y2 - y1, x2 - x1, y2 - y1, x2 - x1]
        box = boxes.denorm_boxes(inside, original_shape)
        if box[2] > box[0] and box[3] > box[1]:
            mask = masks.unmold_mask(layers[:, :, int(row[4])], box, original_shape)
            for part, value in zip(answer, (box, row[4], row[5], mask), strict=True):
                part.append(value)
    return answer


def test_detections_equal_loop():
    rng = np.random.default_rng(0)
    original, shape, window = (100, 140), (128, 128), (18, 0, 110, 128)
    boxes_px = np.array([[20, 5, 60, 70], [30, 30, 30, 50], [18, 0, 110, 128], [90, 100, 108, 127]])
    detections, soft = network_answer(rng, boxes_px, [1, 2, 3, 1], shape)
    found = molding.unmold_detections(detections, soft, original, shape, window)
    expected = slow_unmold(detections, soft, original, shape, window)
    assert len(found[0]) == 3
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[0][1], [0, 0, 100, 140])
    np.testing.assert_array_equal(found[1], [1, 3, 1])
    np.testing.assert_allclose(found[2], expected[2], rtol=GEOMETRY)
    np.testing.assert_array_equal(found[3], np.stack(expected[3], axis=-1))
    assert [part.dtype for part in found] == [np.int32, np.int32, np.float32, bool]


def test_detections_find_the_way_back_through_resizing():
    """Ground truth carried into the network's frame comes back within a pixel."""
    image = np.zeros((90, 150, 3), np.uint8)
    truth = np.array([[10, 20, 61, 90], [0, 0, 90, 150], [70, 130, 89, 149]])
    molded, window, scale, padding, _ = resize.resize_image(image, max_dim=128, mode="square")
    carried = truth * scale + [padding[0][0], padding[1][0]] * 2
    answer = network_answer(np.random.default_rng(1), carried, [1, 1, 1], molded.shape[:2])
    found, _, _, full = molding.unmold_detections(*answer, image.shape, molded.shape, window)
    np.testing.assert_allclose(found, truth, rtol=0, atol=1)
    for i, (y1, x1, y2, x2) in enumerate(found):
        outside = full[:, :, i].copy()
        outside[y1:y2, x1:x2] = False
        assert not outside.any()


@pytest.mark.parametrize("rows", [0, 5])
def test_no_detections(rows):
    detections, soft = np.zeros((rows, 6), np.float32), np.zeros((rows, 28, 28, 3), np.float32)
    found = molding.unmold_detections(detections, soft, (40, 50, 3), (64, 64, 3), (0, 0, 64, 64))
    assert [part.shape for part in found] == [(0, 4), (0,), (0,), (40, 50, 0)]
    assert [part.dtype for part in found] == [np.int32, np.int32, np.float32, bool]


def test_all_rows_may_be_detections():
    answer = network_answer(np.random.default_rng(2), np.array([[1, 1, 9, 9]] * 3), [1, 2, 3],
                            (64, 64), rows=3)
    assert len(molding.unmold_detections(*answer, (64, 64), (64, 64), (0, 0, 64, 64))[0]) == 3


def test_wrong_shapes_are_refused():
    soft = np.zeros((2, 28, 28, 3))
    shapes = ((40, 50), (64, 64), (0, 0, 64, 64))
    with pytest.raises(ValueError, match=r"detections: expected shape \[D, 6\], received \(2, 5\)"):
        molding.unmold_detections(np.zeros((2, 5)), soft, *shapes)
    with pytest.raises(ValueError, match=r"mrcnn_mask: expected shape \[3, h, w, NUM_CLASSES\]"):
        molding.unmold_detections(np.zeros((3, 6)), soft, *shapes)
    unknown = np.array([[0, 0, 1, 1, 9, 0.5]] * 2)
    with pytest.raises(ValueError, match="expected class ids below 3.* received 9"):
        molding.unmold_detections(unknown, soft, *shapes)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 16, 17, 40])
def test_mold_into_an_array_of_any_channels(channels):
    rng = np.random.default_rng(channels)
    image = rng.integers(0, 256, (9, 12, channels), np.uint8)[:, ::-1]
    mean = rng.uniform(0, 255, channels)
    batch = np.full((2, *image.shape), np.nan, np.float32)
    answer = molding.mold_image(image, mean, batch[1])
    assert np.shares_memory(answer, batch)
    np.testing.assert_array_equal(batch[1], (image.astype(np.float64) - mean).astype(np.float32))
    np.testing.assert_array_equal(molding.mold_image(image, mean[0])[..., 0], batch[1, ..., 0])
