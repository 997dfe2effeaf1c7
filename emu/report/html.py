"""A gate run as one HTML file: everything inside, nothing fetched, at most 5 MB."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jinja2
import pandas as pd
from markupsafe import Markup

from emu.errors import EmuError
from emu.gate import CaseOutcome, GateResult, load_history
from emu.graph import write_atomically
from emu.report.numbers import bytes_text
from emu.report.page_case import BOX_KINDS, TONES, WORDS, Detail, case_code, case_page

LIMIT_BYTES: Final = 5_000_000

# Columns of the overview, and the class of their cells.
_HEADS: Final = (
    ("verdict", ""),
    ("case", ""),
    ("score", "num"),
    ("loss against FP32", "num"),
    ("since the baseline", "num"),
    ("worst layer, dB", ""),
    ("trend", ""),
    ("time", "num"),
)

# What is left out, step by step, until the page fits.
_FULL: Final = Detail()
_STEPS: Final[tuple[tuple[str, Detail], ...]] = (
    ("most pictures", replace(_FULL, pictures=6, scenes=1)),
    ("pictures", replace(_FULL, pictures=0, scenes=0)),
    (
        "pictures and histograms",
        replace(_FULL, pictures=0, scenes=0, histograms=False),
    ),
    (
        "pictures, histograms and networks",
        Detail(pictures=0, scenes=0, histograms=False, network=False),
    ),
    (
        "pictures, histograms, networks and layers",
        Detail(pictures=0, scenes=0, histograms=False, network=False, layers=False),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """Where a run comes from; empty texts for what is not known.

    Fields:
        started: with a time zone.
        seconds: that it took.
        command: as it was typed.
        commit, machine: where it ran.
        versions: of packages.
    """

    started: datetime
    seconds: float = 0.0
    command: str = ""
    commit: str = ""
    machine: str = ""
    versions: Mapping[str, str]


def html_page(
    result: GateResult,
    run: RunInfo,
    history: pd.DataFrame | None = None,
    *,
    limit: int = LIMIT_BYTES,
) -> bytes:
    """The page of a run; equal runs give equal bytes.

    `history` is a table of `load_history`. What makes the page larger than `limit`
    bytes is left out (pictures first, whole cases that hold last), and it says so.
    """
    cases = list(result.cases)
    page = _render(result, cases, run, history, _FULL, "")
    for left_out, detail in _STEPS:
        if len(page) > limit:
            page = _render(result, cases, run, history, detail, left_out)
    cases.sort(key=lambda case: -case_code(case))
    left_out, detail = _STEPS[-1]
    while len(page) > limit and cases:
        cases = cases[: len(cases) * 3 // 4]
        page = _render(result, cases, run, history, detail, left_out)
    return page


def write_html(
    path: Path, result: GateResult, run: RunInfo, history: Path | None = None
) -> None:
    """Write `html_page` whole or not at all.

    A history that is not there or cannot be read costs the trends, no more. Raises
    MissingError if the page cannot be written.
    """
    try:
        table = load_history(history) if history else None
    except EmuError:
        table = None
    write_atomically(path, html_page(result, run, table))


def _render(
    result: GateResult,
    cases: Sequence[CaseOutcome],
    run: RunInfo,
    history: pd.DataFrame | None,
    detail: Detail,
    left_out: str,
) -> bytes:
    script, style = _part("page.js"), _part("page.css")
    pages = [
        case_page(case, f"case-{place}", history, detail)
        for place, case in enumerate(cases, 1)
    ]
    notices = []
    if left_out:
        notices.append(
            f"Left out to keep the page below {bytes_text(LIMIT_BYTES)}: {left_out}."
        )
    if len(cases) < len(result.cases):
        many = len(result.cases) - len(cases)
        notices.append(f"{many} cases are left out here, those that hold first.")
    text = (
        _environment()
        .get_template("page.html")
        .render(
            policy=_policy(script, style),
            script=Markup(script),
            style=Markup(style),
            notices=notices,
            run=_run(result, run),
            cases=pages,
            heads=_HEADS,
            box_kinds=BOX_KINDS,
        )
    )
    # A file's name may hold bytes that are no UTF-8.
    return text.encode("utf-8", "replace")


def _run(result: GateResult, run: RunInfo) -> dict[str, Any]:
    codes = [case_code(case) for case in result.cases]
    counts = [(WORDS[code], codes.count(code), TONES[code]) for code in (0, 1, 2)]
    started = f"{run.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    facts = {
        "started": started,
        "took": f"{run.seconds:.1f} s",
        "command": run.command,
        "commit": run.commit,
        "machine": run.machine,
        "versions": ", ".join(f"{k} {v}" for k, v in run.versions.items()),
        "exit code": str(result.exit_code),
    }
    return {
        "word": WORDS[result.exit_code],
        "tone": TONES[result.exit_code],
        "started": started,
        "title": f"{len(codes)} case{'s' * (len(codes) != 1)}",
        "tiles": [
            {"name": word, "value": count, "tone": tone if count else ""}
            for word, count, tone in counts
        ],
        "facts": [(name, value) for name, value in facts.items() if value],
    }


def _policy(script: str, style: str) -> str:
    """Nothing may be loaded, and only our own script and style run."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _part(name: str) -> str:
    return (files("emu.report") / "page" / name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
