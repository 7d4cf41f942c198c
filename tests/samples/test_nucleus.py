"""Run lengths as Kaggle has them, the split, and the masks of the nucleus sample."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools import mask as rle

from mrcnn.commands.samples.scoring import truth_of
from mrcnn.data.dataset import DataError

nucleus = made.script("nucleus")


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_encoding_is_undone_and_equals_pycocotools(mask):
    text = nucleus.rle_encode(mask)
    np.testing.assert_array_equal(nucleus.rle_decode(text, mask.shape), mask)
    numbers = [int(word) for word in text.split()]
    gaps, place = [], 0  # pycocotools counts zeros and ones in turn, column by column
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        gaps += [start - 1 - place, length]
        place = start - 1 + length
    counts = [*gaps, mask.size - place] if place < mask.size else gaps
    code = rle.frPyObjects({"size": list(mask.shape), "counts": counts}, *mask.shape)
    np.testing.assert_array_equal(rle.decode(code).astype(bool), mask)


def test_a_known_encoding():
    mask = np.array([[0, 1, 1], [1, 1, 0]], bool)
    assert nucleus.rle_encode(mask) == "2 4"
    assert nucleus.rle_encode(np.array([[1, 0, 1], [1, 0, 0]])) == "1 2 5 1"
    assert nucleus.rle_encode(np.zeros((3, 3))) == ""
    assert nucleus.rle_encode(np.ones((3, 4))) == "1 12"


@pytest.mark.parametrize("text", ["0 2", "8 3", "1 0", "-1 2"])
def test_runs_that_leave_the_image(text):
    with pytest.raises(ValueError, match=f"run {text} leaves an image of shape"):
        nucleus.rle_decode(text, (3, 3))


def test_an_overlap_goes_to_the_higher_score():
    masks = np.zeros((4, 5, 3), bool)
    masks[:, :3, 0] = masks[:, 2:, 1] = masks[1:3, 1:3, 2] = True
    lines = nucleus.submission_lines("cell", masks, [0.5, 0.9, 0.4])
    assert [name for name, _ in lines] == ["cell", "cell"]  # the third is wholly covered
    first, second = (nucleus.rle_decode(text, (4, 5)) for _, text in lines)
    np.testing.assert_array_equal(first, masks[..., 1])
    np.testing.assert_array_equal(second, masks[..., 0] & ~masks[..., 1])
    assert nucleus.submission_lines("cell", masks[..., :0], []) == [("cell", "")]


def test_split_and_masks(tmp_path):
    made.nucleus_folder(tmp_path, train=27)
    ids = {}
    for subset in ("train", "val", "stage1_train", "stage1_test"):
        dataset = nucleus.NucleusDataset()
        dataset.load_nucleus(tmp_path, subset)
        dataset.prepare()
        ids[subset] = {info["id"] for info in dataset.image_info}
    assert ids["val"] == {"train000", "train025"}
    assert ids["train"] | ids["val"] == ids["stage1_train"] and len(ids["train"]) == 25
    assert ids["stage1_test"] == {"test000", "test001"}
    dataset = nucleus.NucleusDataset()
    dataset.load_nucleus(tmp_path, "val")
    dataset.prepare()
    image, (masks, class_ids) = dataset.load_image(0), dataset.load_mask(0)
    _, truth = made.blobs(np.random.default_rng(0), 60, 72, 4)
    assert image.shape == (60, 72, 3) and (class_ids == 1).all()
    np.testing.assert_array_equal(masks, truth)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "stage1_train").mkdir()
    with pytest.raises(SystemExit, match="error: val: .*stage1_train: no image folders"):
        nucleus.Nucleus().main(["evaluate", f"--dataset={tmp_path}", "--weights", __file__])


def test_masks_that_cannot_be_read_name_the_image(tmp_path):
    made.nucleus_folder(tmp_path, train=2)
    dataset = nucleus.NucleusDataset()
    dataset.load_nucleus(tmp_path, "stage1_train")
    dataset.prepare()
    masks = tmp_path / "stage1_train" / "train000" / "masks"
    Image.new("L", (3, 3)).save(masks / "small.png")
    with pytest.raises(DataError, match="image 0 .*train000.png.*same shape"):
        truth_of(dataset, 0, dataset.load_image(0))
    (tmp_path / "stage1_train" / "train001" / "masks").rename(tmp_path / "gone")
    with pytest.raises(DataError, match="image 1 .*train001.*No such file"):
        truth_of(dataset, 1, dataset.load_image(1))
    for path in masks.iterdir():
        path.unlink()
    assert truth_of(dataset, 0, dataset.load_image(0))["masks"].shape == (60, 72, 0)
