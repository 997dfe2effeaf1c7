"""Where bits first differ: planted faults are named by their layer."""

import numpy as np
import onnx
import pytest
from hypothesis import example, given, strategies as st
from hypothesis.extra import numpy as hnp
from onnx import numpy_helper

from emu.gate import Kind, Outcome, baseline_path, read_baseline, run_gate
from emu.gate.tensors import (
    ELEMENTS,
    Keeper,
    KeptTensor,
    first_divergence,
    spacing,
)

ARRAYS = hnp.arrays(
    st.sampled_from([np.int8, np.uint8, np.int16]),
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=12),
)


def kept(**layers: np.ndarray) -> tuple[KeptTensor, ...]:
    """Taken in one sample after the other."""
    found = []
    for name, values in layers.items():
        keeper = Keeper(len(values))
        for sample in values:
            keeper.add(sample[None])
        found.append(keeper.kept(name, f"{name}:q"))
    return tuple(found)


@given(ARRAYS)
def test_batches_make_no_difference(values):
    whole = Keeper(len(values))
    whole.add(values)
    assert (whole.kept("a", "a:q"),) == kept(a=values)


@given(ARRAYS)
def test_elements_are_kept_as_they_are_and_not_too_many(values):
    (one,) = kept(a=values)
    assert one.values.dtype == values.dtype
    assert 0 < len(one.values) <= ELEMENTS
    np.testing.assert_array_equal(one.values, values.ravel()[:: spacing(values.size)])


@given(st.integers(1, 300), st.integers(1, 500))
@example(32, 512)
def test_elements_are_kept_of_every_channel(channels, places):
    total = channels * places
    step = spacing(total)
    kept_places = range(0, total, step)
    assert len(kept_places) <= ELEMENTS
    seen = {place % channels for place in kept_places}
    assert len(seen) == min(channels, len(kept_places))


def test_what_differs_in_one_way_is_explained():
    rng = np.random.default_rng(2)
    before = rng.integers(-90, 90, (8, 16, 32)).astype(np.int8)
    one_channel = before.copy()
    one_channel[..., 5] += rng.integers(1, 30, (8, 16)).astype(np.int8)
    found = first_divergence(kept(a=one_channel), kept(a=before))
    assert (found or "").endswith(" LSB, all of channel 5")
    found = first_divergence(kept(a=before + 1), kept(a=before))
    assert "(constant offset: every value is off by +1" in (found or "")


@given(ARRAYS, st.data())
def test_the_first_layer_that_differs_is_named_with_elements_and_steps(values, data):
    position = data.draw(st.integers(0, values.size - 1))
    other = values.copy()
    other.ravel()[position] ^= 1
    late = np.zeros((2, 2), np.int8)
    before = kept(first=late, second=values, third=late)
    after = kept(first=late, second=other, third=late + 1)
    found = first_divergence(after, before)
    many = int(np.count_nonzero(after[1].values != before[1].values))
    how = "by up to 1 LSB" if many else "others do"
    expected = f"{many} of {len(after[1].values)} kept elements differ, {how}"
    assert found == f"first in second: {expected}"
    assert "no layer differs" in (first_divergence(before, before) or "")


def test_another_shape_is_told():
    before, after = (
        kept(a=np.zeros((2, 3), np.int8)),
        kept(a=np.zeros((2, 4), np.int16)),
    )
    assert first_divergence(after, before) == "first in a: int8 [2, 3] -> int16 [2, 4]"


def test_nothing_is_said_where_nothing_is_kept():
    assert first_divergence((), kept(a=np.zeros((2, 2), np.int8))) is None


@pytest.mark.parametrize(("weight", "layer"), [("cw", "conv"), ("gw", "fc")])
def test_a_sign_that_flips_is_found_in_its_layer(suite, weight, layer):
    assert run_gate([suite], reason="first").exit_code == 0
    stored = read_baseline(baseline_path(suite, "tiny"))
    assert [one.layer for one in stored.tensors][-1] == "fc"
    path = suite.parent / "tiny.onnx"
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == weight:
            values = numpy_helper.to_array(tensor).copy()
            values.ravel()[:3] *= -1
            tensor.CopyFrom(numpy_helper.from_array(values, weight))
    onnx.save(model, path)
    result = run_gate([suite])
    (bit,) = [v for v in result.verdicts if v.kind is Kind.BIT]
    assert bit.outcome is Outcome.REGRESSED
    assert f"first in {layer}: " in bit.detail
    assert "LSB" in bit.detail
