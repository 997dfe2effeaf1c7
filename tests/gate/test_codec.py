"""Results as bytes: what comes back is equal, and nothing else is made."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.compare import Mode
from emu.errors import DataError
from emu.evaluate import Detections, DetectResult
from emu.evaluate.detect.boxes import Category, Objects
from emu.gate.codec import decode, encode

NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    NUMBERS | st.binary() | st.fractions() | st.sampled_from(Mode),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=10,
)


@given(value=VALUES)
def test_whatever_is_plain_comes_back_equal(value):
    again = decode(encode(value))
    assert repr(again) == repr(value)


@given(
    value=hnp.arrays(
        hnp.integer_dtypes() | hnp.floating_dtypes() | hnp.boolean_dtypes(),
        hnp.array_shapes(min_dims=0, min_side=0),
    )
)
def test_arrays_come_back_bit_for_bit(value):
    again = decode(encode(value))
    native = value.dtype.newbyteorder("=")
    assert again.dtype == native
    assert again.shape == value.shape
    assert again.tobytes() == value.astype(native).tobytes()


def test_tables_come_back_with_their_types():
    table = pd.DataFrame(
        {
            "name": ["conv", "fc"],
            "sqnr_db": [np.inf, 31.25],
            "differing": np.array([0, 2], np.int64),
        }
    )
    pd.testing.assert_frame_equal(decode(encode(table)), table)


def test_a_whole_case_comes_back_as_the_same_bytes(measured):
    data = encode(measured)
    again = decode(data)
    assert type(again) is type(measured)
    assert again.case == measured.case
    assert again.tensors == measured.tensors
    assert encode(again) == data


def test_detections_come_back():
    detections = Detections(
        boxes=np.array([[0, 1, 2, 3]], np.float32),
        scores=np.array([0.5], np.float32),
        classes=np.array([0]),
    )
    objects = Objects(
        size=(4, 5),
        boxes=np.array([[0.0, 1, 2, 3]]),
        classes=np.array([0]),
        areas=np.array([4.0]),
        crowd=np.array([False]),
        difficult=np.array([False]),
    )
    found = DetectResult(
        ids=("a",),
        objects=(objects,),
        detections=(detections,),
        categories=(Category(id=1, name="one"),),
    )
    again = decode(encode(found))
    assert again.counts() == found.counts()
    assert encode(again) == encode(found)


@pytest.mark.parametrize("value", [object(), np.array(["text"]), {1, 2}, 1j])
def test_other_classes_are_refused(value):
    with pytest.raises(TypeError, match="cannot be stored"):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"class": ["Path", {}]}',
        b'{"enum": ["Mode", "other"]}',
        b'{"array": ["object", [1], "AAAA"]}',
        b'{"array": ["int8", [2], "AAAA"]}',
        b'{"config": ["Case", {"id": 1}]}',
        b'{"fraction": [1, 0]}',
        b'{"eval": "1"}',
        b"{}",
        b"[" * 100_000,
    ],
)
def test_bytes_of_others_are_refused(data):
    with pytest.raises(DataError, match="damaged result"):
        decode(data)


def test_fractions_stay_exact():
    assert decode(encode(Fraction(1, 3))) == Fraction(1, 3)
