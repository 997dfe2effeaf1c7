"""Results as strict JSON: plain numbers, and a text where JSON has no number."""

import math
from collections.abc import Mapping
from typing import Any


def strict_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with NumPy scalars as numbers, fit for `json.dumps`.

    JSON has no infinity: an infinite SQNR (no noise at all, or no signal) becomes
    the text "inf" or "-inf", which Python's float() reads back; NaN becomes null.
    """
    if hasattr(value, "item"):  # NumPy's scalars; NumPy itself is not needed for that
        return strict_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Mapping):
        return {key: strict_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict_json(inner) for inner in value]
    return value
