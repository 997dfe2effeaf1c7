"""Exit codes of every command."""

from typing import Final

HOLDS: Final = 0
REGRESSED: Final = 1  # or a limit missed
COULD_NOT_RUN: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells say it
