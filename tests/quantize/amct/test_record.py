"""Records of factors: read and written, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import ConfigError
from emu.quantize.amct import LayerRecord, parse_record, write_record

FILE = Path("record.txt")
# As hicann/amct's docs/zh/context/record.md shows them, other numbers.
SAMPLE = """
record {
  key: "conv1"
  value {
    scale_d: 0.0625
    offset_d: 1
    scale_w: 0.00297622895
    offset_w: 0
    skip_fusion: true
    dst_type: "INT8"
  }
}
record {
  key: "layer1.0.conv1"
  value {
    scale_d: 0.00392156886
    offset_d: -128
    scale_w: 0.00106807391
    scale_w: 0.00104224426
    offset_w: 0
    offset_w: 0
    shift_bit: 0
  }
}
record { key: 'out:q' value { scale_d: 2 act_type: "INT16" is_tensor_quantize: true } }
"""


def float32(value):
    return float(np.float32(value))


def test_a_record_as_amct_writes_it():
    found = parse_record(SAMPLE, FILE)
    assert found.layers == (
        LayerRecord(
            key="conv1",
            scale_d=0.0625,
            offset_d=1,
            scale_w=(float32(0.00297622895),),
            line=3,
        ),
        LayerRecord(
            key="layer1.0.conv1",
            scale_d=float32(0.00392156886),
            offset_d=-128,
            scale_w=(float32(0.00106807391), float32(0.00104224426)),
            line=14,
        ),
        LayerRecord(key="out:q", scale_d=2.0, offset_d=0, bits=16, line=25),
    )
    assert found.notes == ("record.txt: without effect here: skip_fusion",)


def test_a_list_in_brackets_is_a_repeated_field():
    text = (
        "record { key: 'a' value { scale_d: 1 scale_w: [0.5, 0.25] offset_w: [0, 0] } }"
    )
    assert parse_record(text, FILE).layers[0].scale_w == (0.5, 0.25)


SCALES = st.floats(
    2.0**-126, 2.0**127, width=32, allow_nan=False, allow_infinity=False
).map(float32)


@st.composite
def fields_of_a_layer(draw):
    bits = draw(st.sampled_from([4, 8, 16]))
    half = 1 << (bits - 1)
    scale_w = tuple(draw(st.lists(SCALES, max_size=4)))
    return {
        "key": draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
        "scale_d": draw(SCALES),
        "offset_d": draw(st.integers(-half, half - 1)),
        "scale_w": scale_w,
        "bits": bits,
        "weight_bits": draw(st.sampled_from([4, 6, 7, 8, 16])) if scale_w else 8,
    }


@given(
    st.lists(fields_of_a_layer(), min_size=1, max_size=4, unique_by=lambda f: f["key"])
)
def test_what_is_written_is_read_back_to_the_bit(layers):
    text = write_record(LayerRecord(**fields) for fields in layers)
    found = parse_record(text, FILE).layers
    assert [{name: getattr(one, name) for name in layers[0]} for one in found] == layers


VALUE = "record {{ key: 'a'\n value {{\n scale_d: 1\n {} }} }}"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("recrd { }", 1, "found 'recrd', expected record { ... }"),
        ("record: 3", 1, "found 'record', expected record { ... }"),
        ("prune_record { producer { } }", 1, "found 'prune_record'"),
        ("record { key: 'a' }", 1, "a record has a key and a value"),
        ("record { key: 3 value { } }", 1, "a record has a name and a block"),
        ("record { key: 'a' value {\n offset_d: 1 } }", 1, "'a' has no scale_d"),
        ("record { key: 'a' kv_cache_value { } }", 1, "unknown key 'kv_cache_value'"),
        (VALUE.format("scale_v: 3"), 4, "unknown key 'scale_v'; did you mean"),
        (VALUE.format("scale_d: 3"), 4, "'scale_d' is said twice"),
        (
            VALUE.format("offset_d: 128"),
            4,
            "found 128, expected a whole number -128..127",
        ),
        (VALUE.format("offset_d: 0.5"), 4, "found 0.5, expected a whole number"),
        (VALUE.format("offset_d: true"), 4, "found True, expected a whole number"),
        (VALUE.format("scale_w: 0"), 4, "expected a positive float32 number"),
        (VALUE.format("scale_w: -1"), 4, "expected a positive float32 number"),
        (VALUE.format("scale_w: 1e999"), 4, "expected a positive float32 number"),
        (VALUE.format("scale_w: 1e-45"), 4, "expected a positive float32 number"),
        (VALUE.format("scale_w: nan"), 4, "found 'nan', expected a positive"),
        (VALUE.format("scale_w: [1, 'x']"), 4, "found 'x', expected a positive"),
        (VALUE.format("offset_w: 1"), 4, "expected 0: weights have no offset"),
        (VALUE.format("shift_bit: 4"), 4, "expected 0: sums are not shifted"),
        (VALUE.format("act_type: 'INT3'"), 4, "found 'INT3', expected INT4, INT6"),
        (VALUE.format("tensor_balance_factor: 1.0"), 4, "migration_strength"),
        (VALUE.format("scale_h: 1.0"), 4, "recurrent layers are not in emu"),
        (VALUE.format("}"), 4, "found"),
        (f"{VALUE.format('')}\n{VALUE.format('')}", 5, "'a' is recorded twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, line, message):
    with pytest.raises(ConfigError) as caught:
        parse_record(text, FILE)
    assert message in str(caught.value)
    assert caught.value.file == "record.txt"
    assert caught.value.where == f"line {line}"


def test_an_empty_file_is_no_record():
    with pytest.raises(ConfigError, match=r"record.txt: no record in it"):
        parse_record("# nothing\n", FILE)
