import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.export import compact_scale, integers_of, round_weights


def matrix(seed, rows=12, columns=20, spread=0.05):
    generator = np.random.default_rng(seed)
    # Rows of very different size, as in trained networks.
    return (generator.normal(0, spread, (rows, columns)) * 10 ** generator.uniform(-3, 1, (rows, 1))).astype(np.float32)


def rounded(values, axis=0):
    layer = torch.nn.Linear(values.shape[1], values.shape[0], bias=False)
    layer.weight.data = torch.from_numpy(values.copy() if axis == 0 else values.T.copy())
    round_weights(layer)
    return layer.weight.detach().numpy()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), axis=st.integers(0, 1))
def test_steps_are_short_and_reach_every_weight(seed, axis):
    values = matrix(seed)
    step = compact_scale(values, axis)
    assert step.shape == ((12, 1) if axis == 0 else (1, 20))
    integers = np.round(values / step)
    assert np.abs(integers).max() <= 127
    assert (np.abs(integers * step - values) <= step * 0.501).all()
    # Four significant bits: sixteenths of a power of two.
    mantissa, _ = np.frexp(step)
    assert np.array_equal(mantissa * 16, np.round(mantissa * 16))
    # At most an eighth longer than needed.
    needed = np.maximum(np.abs(values).max(axis=1 - axis, keepdims=True) / 127, 2.0**-20)
    assert (step >= needed).all()
    assert (step <= needed * 1.13).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_round_trip_is_exact_in_8_and_in_16_bits(seed):
    weights = rounded(matrix(seed))
    assert np.array_equal(weights.astype(np.float16).astype(np.float32), weights)
    found = integers_of(weights)
    assert found is not None
    integers, step = found
    assert integers.dtype == np.int8
    assert np.array_equal(integers.astype(np.float32) * step, weights)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rounding_twice_changes_nothing(seed):
    once = rounded(matrix(seed))
    assert np.array_equal(rounded(once), once)


def test_rounding_stays_close():
    values = matrix(3)
    weights = rounded(values)
    assert not np.array_equal(weights, values)
    assert (np.abs(weights - values).max(axis=1) <= np.abs(values).max(axis=1) / 127 * 1.13 / 2).all()


def test_transposed_matrices_are_recognised():
    weights = rounded(matrix(4)).T
    integers, step = integers_of(np.ascontiguousarray(weights))
    assert step.shape == (1, 12)
    assert np.array_equal(integers.astype(np.float32) * step, weights)


@pytest.mark.parametrize("values", [np.zeros((3, 5), np.float32), np.eye(4, dtype=np.float32), np.full((2, 3), 1e-9, np.float32)])
def test_zeros_ones_and_tiny_weights(values):
    weights = rounded(values)
    integers, step = integers_of(weights)
    assert np.isfinite(step).all()
    assert np.array_equal(integers.astype(np.float32) * step, weights)
    assert (np.abs(weights - values) <= step * 0.501).all()


def test_ordinary_weights_are_left_alone():
    assert integers_of(matrix(5)) is None
    model = torch.nn.ModuleDict({"body": torch.nn.Linear(8, 8), "classifier": torch.nn.Linear(8, 3)})
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    round_weights(model)
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == {"body.weight"}
