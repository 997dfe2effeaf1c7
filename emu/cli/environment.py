"""The command's own process: JAX's cache of compiled programs on disk, quiet logs.

Only `emu` as a command sets these, before JAX is imported; `emu` as a library leaves
the process of its caller alone.
"""

import os
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "EMU_CACHE"
CACHE_HELP: Final = (
    "Compiled programs are kept in ~/.cache/emu/jax (XDG_CACHE_HOME counts); "
    "EMU_CACHE=FOLDER keeps them elsewhere, EMU_CACHE=off nowhere."
)

_OFF: Final = frozenset({"off", "0", "no", "false"})


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set what JAX, XLA and ONNX Runtime read when they are imported.

    What the user has set for JAX himself wins, except over `EMU_CACHE`. A folder that
    cannot be written turns the cache off: slower, never an error.
    """
    environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # ONNX Runtime would report how it is used, and complain where it cannot.
    environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # A disk that fills up or a damaged entry costs a compilation, not a message.
    warnings.filterwarnings(
        "ignore", message="Error (reading|writing) persistent compilation cache"
    )
    wish = environ.get(CACHE_VARIABLE, "")
    if wish.lower() in _OFF:
        environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return
    if not wish and environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    folder = Path(wish).expanduser() if wish else _default_folder(environ)
    if folder is not None and _is_writable(folder):
        environ["JAX_COMPILATION_CACHE_DIR"] = str(folder.resolve())
        environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def _default_folder(environ: MutableMapping[str, str]) -> Path | None:
    home = environ.get("XDG_CACHE_HOME", "")
    if Path(home).is_absolute():
        return Path(home) / "emu" / "jax"
    try:
        return Path.home() / ".cache" / "emu" / "jax"
    except RuntimeError:
        return None


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)
