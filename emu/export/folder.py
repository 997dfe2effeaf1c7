"""Writing a folder whole or not at all, and never over somebody's files."""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from emu.errors import ConfigError, MissingError


def check_replaceable(folder: Path, known: Iterable[str], *, force: bool) -> None:
    """Refuse to write where something else would be lost.

    Writable are: a path where nothing is; an empty folder; one whose files are all
    among `known`, those of an older export; with `force` any folder but one that
    the process stands in. Raises ConfigError or MissingError.
    """
    if not folder.resolve().parent.is_dir():
        raise MissingError(f"there is no folder {folder.parent}", where="-o")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError("is a file, expected a folder", file=folder, where="-o")
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ConfigError(
            "is the current folder or holds it; it would be replaced",
            file=folder,
            where="-o",
        )
    expected = set(known)
    files = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    names = (path.relative_to(folder).as_posix() for path in files)
    foreign = next((name for name in names if name not in expected), None)
    if foreign is not None and not force:
        raise ConfigError(
            f"holds {foreign!r}, which no export wrote; --force replaces the folder",
            file=folder,
            where="-o",
        )


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write into a new folder beside it, then put that in its place.

    When `fill` fails nothing has changed.
    """
    place = folder.resolve()
    try:
        made = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
        try:
            fill(made)
            made.chmod(0o755)
            _swap(made, place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise MissingError(f"cannot write: {error.strerror}", file=folder) from error


def _swap(made: Path, place: Path) -> None:
    """Rename `made` to `place`; what stood there is deleted once it is replaced."""
    if not place.exists():
        made.rename(place)
        return
    old = made.with_name(f"{made.name}.old")
    place.rename(old)
    try:
        made.rename(place)
    except BaseException:
        old.rename(place)
        raise
    shutil.rmtree(old)
