"""Registers that overflow on the way: against Python integers, and their widths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from emu.errors import ConfigError
from emu.fixedpoint import (
    Accumulator,
    BiasStage,
    Carrier,
    IntFormat,
    Overflow,
    Register,
    Stage,
    Tiles,
    bits_needed,
    choose_carrier,
    exact_carrier,
    products_per_addition,
    sequential_sums,
    watched_sums,
    worst_case,
)
from tests.oracles.exact import bring_inside

K = 12
BYTES = st.integers(-128, 127)
ROW = st.lists(BYTES, min_size=K, max_size=K)
STAGES = [
    (Stage.END, 0),
    (Stage.PRODUCT, 0),
    (Stage.TILE, 1),
    (Stage.TILE, 5),
    (Stage.TILE, K),
]
REGISTERS = [
    *(
        Accumulator(9, overflow, stage, tile, bias=bias)
        for overflow in Overflow
        for stage, tile in ((Stage.PRODUCT, 0), (Stage.TILE, 5))
        for bias in BiasStage
    ),
    *(
        Accumulator(bits, Overflow.SATURATE, stage, tile)
        for bits, (stage, tile) in zip((16, 40, 16, 40, 40), STAGES, strict=True)
    ),
    Accumulator(32, Overflow.SATURATE, Stage.PRODUCT, bias=BiasStage.AFTER),
]


def sum_of(tile: Tiles) -> jax.Array:
    x, w = tile
    return jnp.sum(x.astype(jnp.int64) * w.astype(jnp.int64), axis=0)


def tiles(x, w, accumulator: Accumulator) -> Tiles:
    """Operands by addition; the last is filled up with zeros."""
    size = products_per_addition(accumulator, K)
    fill = (0, -K % size)
    return jnp.pad(x, fill).reshape(-1, size), jnp.pad(w, fill).reshape(-1, size)


@jax.jit
def every_register(x, w, bias) -> list[tuple[jax.Array, Register]]:
    """All registers at once: compiled once, however many examples are tried."""
    found = []
    for register in REGISTERS:
        operands = tiles(x, w, register)
        held = sequential_sums(operands, sum_of, bias, register, K * 2**14)
        found.append((held, watched_sums(operands, sum_of, bias, register)))
    return found


def additions(x, w, bias, register: Accumulator) -> list[int]:
    """What is added to the register, one thing after the other."""
    products = [a * b for a, b in zip(x, w, strict=True)]
    if register.saturate is Stage.END:
        return [sum(products) + bias]
    size = register.tile or 1
    sums = [sum(products[i : i + size]) for i in range(0, len(products), size)]
    first = register.bias is BiasStage.PRELOADED
    return [bias, *sums] if first else [*sums, bias]


def by_hand(x, w, bias, register: Accumulator) -> tuple[int, int, int, int]:
    """held, low, high and overflows in Python integers."""
    held = overflows = 0
    seen = [] if register.saturate is Stage.END else [0]
    for value in additions(x, w, bias, register):
        seen.append(held + value)
        held = bring_inside(seen[-1], register.bits, True, register.overflow.value)
        overflows += not register.min <= seen[-1] <= register.max
    return held, min(seen), max(seen), overflows


@given(x=ROW, w=ROW, bias=st.integers(-(2**31), 2**31 - 1) | BYTES)
@example(x=[-128] * K, w=[-128] * K, bias=0)
@example(x=[127, -128] * 6, w=[127] * K, bias=255)
@example(x=[0] * K, w=[0] * K, bias=-(2**31))
def test_every_register_adds_as_python_does(x, w, bias):
    operands = np.array(x, np.int8), np.array(w, np.int8), np.array(bias)
    with jax.enable_x64(True):
        found = jax.device_get(every_register(*operands))
    for register, (held, seen) in zip(REGISTERS, found, strict=True):
        want = by_hand(x, w, bias, register)
        assert (held, *map(int, seen[1:])) == want, register
        assert held == seen.held
        assert held.dtype == seen.held.dtype == register.dtype
        # Saturation never wraps: the register stays on the side of the exact number.
        if register.overflow is Overflow.SATURATE:
            assert register.min <= held <= register.max


@given(x=ROW, w=ROW, bias=st.integers(-1000, 1000), data=st.data())
def test_wrapping_on_the_way_is_wrapping_at_the_end(x, w, bias, data):
    bits = data.draw(st.sampled_from([9, 16, 40]))
    ends = [
        by_hand(x, w, bias, Accumulator(bits, Overflow.WRAP, stage, tile, bias=place))[
            0
        ]
        for stage, tile in STAGES
        for place in BiasStage
    ]
    assert len(set(ends)) == 1
    in_steps = Accumulator(bits, Overflow.WRAP, Stage.PRODUCT).in_steps
    assert not in_steps


@given(x=ROW, w=ROW, tile=st.integers(1, K), order=st.permutations(range(K)))
def test_within_its_safe_width_no_order_matters(x, w, tile, order):
    """Widths from the weights alone: nothing overflows, so steps are as the end."""
    columns = np.array([w]).T
    for register in (
        Accumulator(48, Overflow.SATURATE, Stage.PRODUCT),
        Accumulator(48, Overflow.SATURATE, Stage.TILE, tile),
    ):
        extremes = worst_case(columns, np.zeros(1, int), IntFormat(8), 0, register)
        bits = max(8, bits_needed(*extremes))
        fits = Accumulator(bits, Overflow.SATURATE, register.saturate, register.tile)
        shuffled = [x[i] for i in order], [w[i] for i in order]
        assert by_hand(*shuffled, 0, fits)[3] == 0
        assert by_hand(x, w, 0, fits)[0] == sum(
            a * b for a, b in zip(x, w, strict=True)
        )


@pytest.mark.parametrize("place", BiasStage)
@pytest.mark.parametrize(("stage", "tile"), STAGES)
@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
@pytest.mark.parametrize("bias", [0, 40_000, -90_000])
def test_the_worst_case_is_reached_and_never_passed(
    stage, tile, place, zero_point, bias
):
    register = Accumulator(40, Overflow.SATURATE, stage, tile, bias=place)
    rng = np.random.default_rng(K)
    w = rng.integers(-128, 128, K)
    fmt = IntFormat(8)
    low, high = worst_case(w[:, None], np.array([bias]), fmt, zero_point, register)
    # What every input can reach lies between the two inputs of extreme products.
    extremes = [
        np.where((w > 0) == up, fmt.max, fmt.min) - zero_point for up in (True, False)
    ]
    found = [by_hand(x, w, bias, register) for x in extremes]
    least, greatest = min(f[1] for f in found), max(f[2] for f in found)
    if register.saturate is Stage.END:
        # A sum that overflows at the end passes through its partial sums before.
        assert low <= least <= greatest <= high
    else:
        assert (low, high) == (least, greatest)
    for x in rng.integers(-128, 128, (20, K)) - zero_point:
        _, least, greatest, _ = by_hand(x, w, bias, register)
        assert low <= least <= greatest <= high


def test_the_order_of_products_decides_what_saturates():
    register = Accumulator(9, Overflow.SATURATE, Stage.PRODUCT)
    one = [1] * K
    rising = [100, 100, 100, -100, -100, -100] + [0] * 6
    falling = [100, -100, 100, -100, 100, -100] + [0] * 6
    assert by_hand(rising, one, 0, register) == (-45, -45, 300, 1)
    assert by_hand(falling, one, 0, register) == (0, 0, 100, 0)
    with jax.enable_x64(True):
        for x, held in ((rising, -45), (falling, 0)):
            operands = tiles(jnp.asarray(x), jnp.asarray(one), register)
            got = sequential_sums(operands, sum_of, jnp.asarray(0), register, 100)
            assert int(got) == held


def test_steps_that_cannot_overflow_take_the_fast_path():
    byte = np.dtype(np.int8)
    register = Accumulator(20, Overflow.SATURATE, Stage.PRODUCT)
    assert exact_carrier(register) is Carrier.SEQUENTIAL
    assert choose_carrier(register.max, byte, byte, register) is Carrier.INT8
    assert choose_carrier(register.max + 1, byte, byte, register) is Carrier.SEQUENTIAL
    wraps = Accumulator(20, Overflow.WRAP, Stage.PRODUCT)
    assert choose_carrier(2**40, byte, byte, wraps) is Carrier.INT8


@pytest.mark.parametrize(
    "fields",
    [
        {"tile": 4},
        {"saturate": Stage.PRODUCT, "tile": 4},
        {"saturate": Stage.TILE},
        {"saturate": Stage.TILE, "tile": -1},
        {"order": ("kh", "kh")},
        {"order": ("kh", "co")},
        {"bits": 49},
        {"bits": 63},
        {"bits": 7},
    ],
)
def test_a_register_that_no_hardware_has_is_refused(fields):
    with pytest.raises(ConfigError):
        Accumulator(**fields)
