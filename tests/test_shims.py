"""What `mrcnn.utils` and `mrcnn.parallel_model` add to the names they pass on."""

import warnings

import numpy as np
import pytest
from tolerances import TWINS

from mrcnn.parallel_model import ParallelModel


class Model:
    """Looks like a Keras model to a shim that must not import Keras."""

    def get_layer(self, name):
        return name


def test_parallel_model_is_the_model_it_was_given():
    model = Model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ParallelModel(model, 1) is model
        assert ParallelModel(keras_model=model, gpu_count=1) is model


def test_parallel_model_says_that_it_does_not_split():
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.warns(UserWarning, match="stays on 1 of 4 devices.*GPU_COUNT = 4"):
        assert ParallelModel(model, 4) is model


def test_parallel_model_refuses_what_cannot_work():
    wrapper = type("MaskRCNN", (), {"keras_model": Model()})()
    with pytest.raises(TypeError, match=r"received MaskRCNN \(pass its keras_model\)"):
        ParallelModel(wrapper, 1)
    with pytest.raises(TypeError, match="received NoneType"):
        ParallelModel(None, 1)
    for count in (0, -1, 1.5):
        with pytest.raises(ValueError, match="whole number from 1"):
            ParallelModel(Model(), count)


def test_batch_slice_stacks_one_output_or_several():
    from mrcnn import utils

    a, b = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    one = utils.batch_slice([a, b], lambda x, y: x * y, 3)
    np.testing.assert_allclose(np.asarray(one), a * b[:, None], rtol=TWINS)
    two = utils.batch_slice(a, lambda x: (x + 1, x.sum()), 2, names=["more", "sum"])
    assert isinstance(two, list)
    np.testing.assert_allclose(np.asarray(two[0]), a[:2] + 1, rtol=TWINS)
    np.testing.assert_allclose(np.asarray(two[1]), a[:2].sum(axis=1), rtol=TWINS)


def test_box_refinement_graph_is_the_twin_of_box_refinement():
    from mrcnn import utils

    boxes = np.array([[10, 20, 50, 80], [0, 0, 5, 5]], np.float32)
    truth = np.array([[12, 18, 60, 70], [1, 1, 9, 4]], np.float32)
    tensor = np.asarray(utils.box_refinement_graph(boxes, truth))
    np.testing.assert_allclose(tensor, utils.box_refinement(boxes, truth), atol=TWINS)
