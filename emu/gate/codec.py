"""Results of cases as bytes, and back: plain JSON with a tag for what JSON lacks.

Only the classes of a literal table are made again, so that bytes of any origin can do
nothing but be refused. What comes back is equal, dtype for dtype and bit for bit.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from emu.compare import Difference, LayerReport, Mode
from emu.config import Config
from emu.errors import DataError
from emu.evaluate import (
    ClassifyResult,
    Detections,
    DetectResult,
    ReconstructResult,
)
from emu.evaluate.detect.boxes import Category, Objects
from emu.evaluate.metrics import AucCounts
from emu.gate.histograms import Histogram
from emu.gate.pictures import Box, Picture, Scene
from emu.gate.result import CaseResult
from emu.gate.suite import Case
from emu.gate.tensors import KeptTensor
from emu.gate.visuals import Before, Block, Visuals

_DATACLASSES: Final[Mapping[str, type]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            AucCounts,
            Before,
            Block,
            Box,
            CaseResult,
            Category,
            ClassifyResult,
            Detections,
            DetectResult,
            Difference,
            Histogram,
            LayerReport,
            Objects,
            Picture,
            ReconstructResult,
            Scene,
            Visuals,
        )
    }
)
_CONFIGS: Final[Mapping[str, type[Config]]] = MappingProxyType(
    {kind.__name__: kind for kind in (Case, KeptTensor)}
)
_ENUMS: Final[Mapping[str, type[Enum]]] = MappingProxyType({"Mode": Mode})


def encode(value: object) -> bytes:
    """A result as bytes; TypeError for a class that is not in the tables."""
    return json.dumps(_tagged(value), separators=(",", ":")).encode()


def decode(data: bytes) -> Any:  # noqa: ANN401 - whatever was encoded
    """What `encode` was given; DataError for bytes that it did not make."""
    try:
        return _made(json.loads(data))
    except (
        ValueError,
        LookupError,
        ArithmeticError,
        TypeError,
        RecursionError,
    ) as error:
        raise DataError(f"damaged result: {error!r}") from error


def _tagged(value: object) -> Any:  # noqa: ANN401 - JSON data
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_tagged(one) for one in value]
        case _:
            tag, content = _tag(value)
            return {tag: content}


def _tag(value: object) -> tuple[str, Any]:
    match value:
        case tuple():
            return "tuple", [_tagged(one) for one in value]
        case bytes():
            return "bytes", base64.b64encode(value).decode()
        case np.ndarray():
            return "array", _array(value)
        case pd.DataFrame():
            return "frame", [
                [str(name), str(column.dtype), column.tolist()]
                for name, column in value.items()
            ]
        case Mapping():
            return "map", [[_tagged(k), _tagged(v)] for k, v in value.items()]
        case Fraction():
            return "fraction", [value.numerator, value.denominator]
        case Enum():
            return "enum", [_known(value, _ENUMS), value.value]
        case Config():
            return "config", [_known(value, _CONFIGS), value.model_dump(mode="json")]
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} cannot be stored")
    parts = {one.name: _tagged(getattr(value, one.name)) for one in fields(value)}
    return "class", [_known(value, _DATACLASSES), parts]


def _known(value: object, table: Mapping[str, type]) -> str:
    name = type(value).__name__
    if table.get(name) is not type(value):
        raise TypeError(f"{name} cannot be stored")
    return name


def _array(value: Shaped[np.ndarray, "..."]) -> list[Any]:
    if value.dtype.kind not in "biuf":
        raise TypeError(f"an array of {value.dtype} cannot be stored")
    little = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<")))
    text = base64.b64encode(little.tobytes()).decode()
    return [value.dtype.name, list(value.shape), text]


def _made(value: Any) -> Any:  # noqa: ANN401 - JSON data
    match value:
        case list():
            return [_made(one) for one in value]
        case dict():
            ((tag, content),) = value.items()
            return _MAKERS[tag](content)
        case _:
            return value


def _made_array(content: list[Any]) -> Shaped[np.ndarray, "..."]:
    name, shape, text = content
    dtype = np.dtype(name)
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of {name}")
    little = np.frombuffer(base64.b64decode(text), dtype.newbyteorder("<"))
    return little.astype(dtype).reshape(shape)


def _made_frame(content: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Series(values, dtype=dtype) for name, dtype, values in content}
    )


def _made_class(content: list[Any]) -> object:
    name, parts = content
    made = {key: _made(part) for key, part in parts.items()}
    return _DATACLASSES[name](**made)


_MAKERS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "tuple": lambda content: tuple(_made(one) for one in content),
        "bytes": base64.b64decode,
        "array": _made_array,
        "frame": _made_frame,
        "map": lambda content: {_made(k): _made(v) for k, v in content},
        "fraction": lambda content: Fraction(*content),
        "enum": lambda content: _ENUMS[content[0]](content[1]),
        "config": lambda content: _CONFIGS[content[0]].model_validate(content[1]),
        "class": _made_class,
    }
)
