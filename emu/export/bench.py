"""What the Verilog bench that comes with the vectors can do, layer by layer."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

BENCH: Final = "conv2d_tb.v"

Entry = Mapping[str, Any]


def bench_refuses(entry: Entry) -> str | None:
    """Why the bench cannot check a layer of the manifest; None if it can."""
    for known, holds in _LIMITS.items():
        if not holds(entry):
            return f"{BENCH} knows {known}; this layer is {_about(entry)}"
    return None


def _about(entry: Entry) -> str:
    """The layer in the terms of the limits: its operators, register and scheme."""
    names = " + ".join(operator["op"] for operator in entry["operators"])
    told = [f"{entry['layer']}: {names}"]
    register = _fields(entry, 0).get("accumulator")
    if register:
        told.append(f"{register['bits']}-bit {register['overflow']} accumulator")
    if len(entry["operators"]) > 1:
        rescale = _fields(entry, 1)
        told.append(f"rescale {rescale['scheme']}, {rescale['overflow']}")
    return ", ".join(told)


def _fields(entry: Entry, index: int) -> Mapping[str, Any]:
    return entry["operators"][index]["fields"]


def _wraps_in_32_bits(entry: Entry) -> bool:
    register = _fields(entry, 0)["accumulator"]
    return register["overflow"] == "wrap" and register["bits"] <= 32


def _rounds_once_and_saturates(entry: Entry) -> bool:
    rescale = _fields(entry, 1)
    return rescale["scheme"] == "single-round" and rescale["overflow"] == "saturate"


def _product_fits_64_bits(entry: Entry) -> bool:
    register, rescale = _fields(entry, 0)["accumulator"], _fields(entry, 1)
    return register["bits"] + rescale["x_left_shift"] <= 32


# What the bench knows -> whether a layer is that. In this order: each takes for
# granted what those before it found.
_LIMITS: Final[Mapping[str, Callable[[Entry], bool]]] = MappingProxyType(
    {
        "conv2d alone": lambda entry: entry["op"] == "conv2d",
        "a conv2d with the rescale that alone reads it": lambda entry: (
            [operator["op"] for operator in entry["operators"]][1:2] == ["rescale"]
        ),
        "accumulators of up to 32 bits that wrap": _wraps_in_32_bits,
        "the scheme single-round with saturation": _rounds_once_and_saturates,
        "accumulators that have 32 bits after the left shift of their rescale": (
            _product_fits_64_bits
        ),
    }
)
