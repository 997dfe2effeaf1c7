"""Which TOML files are suites; light, since every run of pytest may ask."""

import re
import tomllib
from pathlib import Path
from typing import Final

_CASES: Final = re.compile(r"^\s*\[\[\s*case\s*\]\]", re.MULTILINE)


def is_suite(path: Path) -> bool:
    """Whether a TOML file has cases, sound or not; entries and recipes have none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    try:
        return isinstance(tomllib.loads(text).get("case"), list)
    except tomllib.TOMLDecodeError:
        return bool(_CASES.search(text))
