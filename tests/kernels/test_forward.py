"""Compiled forward passes and fingerprints of variables, the same on every backend."""

import ast
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn import kernels
from mrcnn.kernels.functional import Fingerprint

KERNELS = Path(kernels.__file__).parent
BACKENDS = ("tensorflow", "jax", "torch")


def variables():
    return [keras.Variable(np.arange(n, dtype=np.float32)) for n in (3, 5)]


def test_a_fingerprint_stays_while_nothing_is_assigned():
    held = variables()
    assert kernels.fingerprint(held) == kernels.fingerprint(held)
    assert kernels.fingerprint(held) != kernels.fingerprint(held[:1])
    assert kernels.fingerprint(held) != None  # noqa: E711 (the comparison itself is tested)


@pytest.mark.parametrize("change", [
    lambda variable: variable.assign([4.0, 5.0, 6.0]),
    lambda variable: variable.assign_add([0.0, 0.0, 1.0]),
    lambda variable: keras.optimizers.SGD(0.1).apply([keras.ops.ones(3)], [variable]),
])
def test_a_fingerprint_tells_a_change(change):
    held = variables()
    before = kernels.fingerprint(held)
    change(held[0])
    assert kernels.fingerprint(held) != before
    after = kernels.fingerprint(held)
    assert after == kernels.fingerprint(held)


def test_a_fingerprint_tells_tensors_that_took_the_place_of_others():
    """Where one is freed, the next may get its memory and its `id`."""

    class Tensor:
        """Any object will do."""

    earlier = []
    for _ in range(9):
        now = Fingerprint([Tensor()], [0])
        assert all(now != before for before in earlier)
        earlier.append(now)
    held = [Tensor()]
    assert Fingerprint(held, [0]) == Fingerprint(held, [0]) != Fingerprint(held, [1])


def small():
    """A model of two inputs and two outputs, with all sizes open, and its first kernel."""
    first, second = keras.Input((None, 2)), keras.Input((None, 2))
    dense = keras.layers.Dense(2, kernel_initializer="ones", dtype="float32")
    return keras.Model([first, second], [dense(first), keras.layers.add([first, second])]), dense


def rows(count):
    return np.ones((1, count, 2), np.float32)


def test_a_forward_pass_reads_the_variables():
    model, dense = small()
    forward = kernels.compile_forward(model)
    np.testing.assert_array_equal(forward(rows(3), rows(3))[0], 2 * rows(3))
    dense.kernel.assign(3 * np.ones((2, 2)))
    answer, total = forward(rows(3), rows(3))
    np.testing.assert_array_equal(answer, 6 * rows(3))
    np.testing.assert_array_equal(total, 2 * rows(3))
    assert forward.traces <= 1


def test_a_forward_pass_has_weights_of_its_own():
    model, dense = small()
    arrays = [np.asarray(variable) for variable in model.variables]
    forward = kernels.compile_forward(model, weights=[5 * array for array in arrays])
    dense.kernel.assign(3 * np.ones((2, 2)))
    np.testing.assert_array_equal(forward(rows(1), rows(1))[0], 10 * rows(1))
    forward.renew(arrays)
    np.testing.assert_array_equal(forward(rows(1), rows(1))[0], 2 * rows(1))
    assert forward.traces <= 1


def test_the_call_stands_in_the_context_of_further_arguments():
    model, _ = small()
    seen = []

    def around(*arguments):
        seen.extend(arguments)
        return kernels.portable_only()

    forward = kernels.compile_forward(model, [((None,), "bool"), ((2,), "float32")], around)
    forward(rows(1), rows(1), np.array([True]), np.zeros(2))
    assert [keras.backend.standardize_dtype(x.dtype) for x in seen] == ["bool", "float32"]


def test_one_compilation_for_inputs_of_a_size():
    forward = kernels.compile_forward(small()[0])
    traces = []
    for count in (1, 2, 1, 3):
        forward(rows(count), rows(count))
        traces.append(forward.traces)
    expected = {"tensorflow": [1, 1, 1, 1], "jax": [1, 2, 2, 3], "torch": [0, 0, 0, 0]}
    assert traces == expected[keras.backend.backend()]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_pass_answers_in_the_structure_of_the_outputs(dtype):
    source, _ = small()
    low = keras.layers.Activation("linear", dtype=dtype)(source.outputs[0])
    graph = keras.Model(source.inputs, {"a": low, "b": source.outputs})
    found = kernels.run_once(graph, [rows(2), rows(2)])
    assert isinstance(found["a"], np.ndarray) and found["a"].dtype.name == dtype
    np.testing.assert_array_equal(found["a"].astype(np.float32), 2 * rows(2))
    np.testing.assert_array_equal(found["b"][1], 2 * rows(2))


def names_of(backend):
    tree = ast.parse((KERNELS / f"{backend}_backend" / "__init__.py").read_text())
    assignment = next(n for n in tree.body if isinstance(n, ast.Assign))
    return sorted(ast.literal_eval(assignment.value))


def test_every_backend_has_the_same_names():
    assert names_of("tensorflow") == names_of("jax") == names_of("torch")
