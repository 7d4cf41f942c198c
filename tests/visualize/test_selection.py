"""Filters of classes by name and id."""

import numpy as np
import pytest

from mrcnn.visualize.selection import class_numbers, of_classes

NAMES = ["BG", "cat", "dog", "cat"]


def test_names_and_ids_mix():
    assert class_numbers(["dog", 1], NAMES) == {1, 2}
    assert class_numbers("cat", NAMES) == {1, 3}
    assert class_numbers(np.int64(2), NAMES) == {2}
    assert class_numbers([7], None) == {7}


def test_crowds_belong_to_their_class():
    np.testing.assert_array_equal(of_classes([1, -2, 2, 3], NAMES, ["dog"]),
                                  [False, True, True, False])
    np.testing.assert_array_equal(of_classes([1, 2], NAMES, None), [True, True])
    assert of_classes([], NAMES, ["cat"]).shape == (0,)


@pytest.mark.parametrize(("classes", "names", "message"), [
    (["cow"], NAMES, "'cow' is not known; known are cat, dog, cat"),
    ([4], NAMES, "4 is not known"),
    ([-1], NAMES, "-1 is not known"),
    ("cat", None, "no names here"),
    ([True], NAMES, "True is not known"),
])
def test_unknown_classes_are_refused(classes, names, message):
    with pytest.raises(ValueError, match=message):
        class_numbers(classes, names)
