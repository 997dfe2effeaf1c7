"""LiteRT as an engine: one of its three kernel sets, all tensors where it keeps them.

Needs the package ai-edge-litert, an optional one (`pip install 'emu[litert]'`).
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from emu.compare.golden import Batch, GoldenEngine
from emu.errors import DataError, MissingError, ModelError

_STDERR: Final = 2


class Resolver(Enum):
    """LiteRT's kernel sets; the values are members of its OpResolverType."""

    REFERENCE = "BUILTIN_REF"
    OPTIMIZED = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
    XNNPACK = "AUTO"

    @property
    def keeps_tensors(self) -> bool:
        """Whether inner tensors can be read after a run."""
        return self is not Resolver.XNNPACK


def litert_engine(
    path: Path, names: Sequence[str] | None, resolver: Resolver
) -> GoldenEngine:
    """LiteRT's interpreter on a .tflite file, sample by sample.

    `names` may be any tensors of the file with a name of their own; None means its
    outputs. Raises MissingError or ModelError.
    """
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    interpreter = _open(path, resolver)
    outputs = interpreter.get_output_details()
    entries = {entry["name"]: entry for entry in interpreter.get_input_details()}
    found = interpreter.get_tensor_details() if names is not None else outputs
    twice = Counter(tensor["name"] for tensor in found)
    known = {t["name"]: t["index"] for t in found if twice[t["name"]] == 1}
    given = known.keys() & set(known if names is None else names)

    def run(batch: Batch) -> dict[str, np.ndarray]:
        feeds = {next(iter(entries)): batch} if isinstance(batch, np.ndarray) else batch
        rows: list[dict[str, np.ndarray]] = []
        for i in range(len(next(iter(feeds.values())))):
            for name, entry in entries.items():
                interpreter.set_tensor(entry["index"], _sample(feeds[name][i], entry))
            try:
                interpreter.invoke()
            except (RuntimeError, ValueError) as error:
                raise _refused(error, path) from error
            rows.append({name: interpreter.get_tensor(known[name]) for name in given})
        return {
            name: np.concatenate([np.atleast_1d(row[name]) for row in rows])
            for name in given
        }

    about = {
        "engine": "litert",
        "version": metadata.version("ai-edge-litert"),
        "settings": resolver.value,
    }
    return GoldenEngine(
        run=run, inputs=tuple(entries), names=frozenset(given), about=about
    )


def _open(path: Path, resolver: Resolver) -> Any:  # noqa: ANN401 - an optional package's
    """A ready interpreter; XNNPACK's kernels write over inner tensors."""
    try:
        from ai_edge_litert import interpreter as litert  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingError(
            "LiteRT is not installed: pip install 'emu[litert]'", where="ai-edge-litert"
        ) from error
    try:
        with _no_greeting():
            interpreter = litert.Interpreter(
                str(path),
                num_threads=len(os.sched_getaffinity(0)),
                experimental_op_resolver_type=litert.OpResolverType[resolver.value],
                experimental_preserve_all_tensors=resolver.keeps_tensors,
            )
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise _refused(error, path) from error
    return interpreter


@contextmanager
def _no_greeting() -> Iterator[None]:
    """Keep LiteRT from announcing a delegate on stderr; no setting of it does that.

    Its errors come as exceptions with the same text.
    """
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


def _refused(error: Exception, path: Path) -> ModelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ModelError(f"LiteRT cannot run it: {reason}", file=path)


def _sample(x: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    """One sample in the shape that the interpreter has, a batch of 1."""
    shape = tuple(int(size) for size in entry["shape"])
    if x.dtype != entry["dtype"] or x.size != np.prod(shape):
        raise DataError(
            f"found {x.dtype} {list(x.shape)}, LiteRT expects "
            f"{np.dtype(entry['dtype'])} {list(shape)}",
            where=f"input {entry['name']!r}",
        )
    return np.ascontiguousarray(x).reshape(shape)
