"""A gate run on GitHub: annotations of the step, and a table in its summary."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from emu.errors import MissingError
from emu.gate import CaseOutcome, GateResult, Outcome

# GitHub refuses a larger summary (1 MiB for one step, what stood there included).
SUMMARY_BYTES: Final = 1_000_000

_MARKS: Final[Mapping[int, str]] = {0: "✅", 1: "⚠️", 2: "❌"}

# What GitHub's Markdown or HTML would take for more than itself.
_SPECIAL: Final = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*_{}[]<>()#+!|~&@$:"}
_SPECIAL_LINES: Final = {ord(mark): " " for mark in "\r\n\t"}


def on_github(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def annotations(result: GateResult) -> tuple[str, ...]:
    """A workflow command for each verdict that does not hold, errors first.

    What improved unexplained is a warning: it fails too, but nothing is lost. GitHub
    shows the first ten of each kind. Escaped as GitHub's toolkit does it.
    """
    lines = []
    for verdict in result.verdicts:
        if verdict.outcome.exit_code:
            warns = verdict.outcome is Outcome.IMPROVED
            title = f"{verdict.suite}/{verdict.case} {verdict.kind.value}"
            lines.append(
                f"::{'warning' if warns else 'error'} title={_property(title)}::"
                f"{_data(f'{verdict.outcome.value}: {verdict.detail}')}"
            )
    return tuple(sorted(lines, key=lambda line: not line.startswith("::error")))


def step_summary(result: GateResult, *, limit: int = SUMMARY_BYTES) -> str:
    """A Markdown table of the cases, those that do not hold first.

    At most `limit` bytes of UTF-8; a last line then tells how many cases are left out.
    """
    words = {0: "holds", 1: "changed", 2: "could not be judged"}
    head = (
        f"### {_MARKS[result.exit_code]} emu gate: {words[result.exit_code]}\n\n"
        "| | case | verdicts | score | loss against FP32 | seconds | detail |\n"
        "|---|---|---|--:|--:|--:|---|\n"
    )
    cases = sorted(result.cases, key=lambda case: -_code(case))
    room = limit - len(head.encode()) - 100  # the last line
    rows: list[str] = []
    for case in cases:
        row = _row(case)
        room -= len(row.encode())
        if room < 0:
            break
        rows.append(row)
    left_out = len(cases) - len(rows)
    more = f"\n{left_out} more cases are left out here.\n" if left_out else ""
    return head + "".join(rows) + more + "\n"


def append_summary(result: GateResult, environ: Mapping[str, str] = os.environ) -> None:
    """Append the table to the step's summary, if there is one; MissingError if not so."""
    file = environ.get("GITHUB_STEP_SUMMARY")
    if not file:
        return
    try:
        used = Path(file).stat().st_size if Path(file).exists() else 0
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(step_summary(result, limit=SUMMARY_BYTES - used))
    except OSError as error:
        raise MissingError(f"cannot write: {error.strerror}", file=file) from error


def _row(case: CaseOutcome) -> str:
    told = [verdict for verdict in case.verdicts if verdict.outcome.exit_code]
    verdicts = ", ".join(f"{v.kind.value} {v.outcome.value}" for v in case.verdicts)
    detail = "; ".join(f"{v.kind.value}: {v.detail}" for v in told)
    score = loss = seconds = ""
    if case.result is not None:
        found, fp32 = case.result.quantized, case.result.fp32
        score = f"{found.metric} {100 * found.score:.2f} %"
        loss = f"{100 * (fp32.score - found.score):+.2f} points" if fp32 else ""
        seconds = f"{case.result.seconds:.1f}"
    name = f"{case.suite}/{case.case}"
    cells = (_MARKS[_code(case)], name, verdicts, score, loss, seconds, detail)
    return f"| {' | '.join(map(_cell, cells))} |\n"


def _code(case: CaseOutcome) -> int:
    return max((verdict.outcome.exit_code for verdict in case.verdicts), default=0)


def _cell(text: str) -> str:
    """Any text as itself, on one line."""
    return text.translate(_SPECIAL_LINES).translate(_SPECIAL)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
