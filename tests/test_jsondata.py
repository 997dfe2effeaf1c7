"""What JSON cannot say gets a text or null; everything else stays as it is."""

import json
import math

import numpy as np
from hypothesis import given, strategies as st

from emu.jsondata import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=VALUES)
def test_every_value_can_be_written_as_strict_json(value):
    json.dumps(strict_json(value), allow_nan=False)


@given(value=st.floats())
def test_numbers_come_back_by_float(value):
    found = strict_json(value)
    if math.isnan(value):
        assert found is None
    else:
        assert float(found) == value


def test_numpy_scalars_become_plain_numbers():
    found = strict_json({"a": [np.int64(3), np.float32(0.5), np.bool_(True)]})
    assert found == {"a": [3, 0.5, True]}
    assert [type(item) for item in found["a"]] == [int, float, bool]
