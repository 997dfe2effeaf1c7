"""A gate run of made-up figures with everything that a page can show."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
from PIL import Image

from emu.gate import CaseOutcome, GateResult, Outcome, baseline_of
from emu.gate.histograms import Histogram
from emu.gate.pictures import Box, Picture, Scene
from emu.gate.visuals import Block, Visuals
from emu.report.html import RunInfo
from tests.gate.made_up import LAYERS, failed, outcome, run_of

# What a hostile model may call its layer, and its samples.
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=hacked=1>"


def png(color: int = 120, side: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side), color).save(file, "PNG")
    return file.getvalue()


def visuals(names: tuple[str, ...] = LAYERS, hostile: str = HOSTILE) -> Visuals:
    """input -> conv -> relu -> fc -> output, and a hostile layer from conv to fc."""
    blocks = [Block(name="x", op="input", shape=(4, 4, 1), dtype="float32")]
    blocks += [
        Block(name=name, op="Conv2d", shape=(4, 4, 3), dtype="int8", macs=432)
        for name in names
    ]
    blocks.append(Block(name=hostile, op="Add", shape=(6,), dtype="int8"))
    blocks.append(Block(name="y", op="output", shape=(6,), dtype="float32"))
    last = len(names)
    edges = [(i, i + 1) for i in range(last)] + [(1, last + 1), (last + 1, last + 2)]
    return Visuals(
        blocks=tuple(blocks),
        edges=tuple(edges),
        histograms=tuple(
            Histogram(
                layer=name,
                start=-1.5,
                step=0.25,
                golden=(1, 5, 90, 5, 0, 2),
                program=(0, 7, 80, 5, 3, 0),
                scale=0.25,
            )
            for name in names
        ),
        pictures=(
            Picture(
                name=f"cat {hostile}",
                image=png(),
                newly_wrong=True,
                label="3 cat",
                now="5 dog",
                before="3 cat",
                fp32="3 cat",
            ),
        ),
        scenes=(
            Scene(
                name="street",
                image=png(60, 32),
                size=(32, 32),
                objects=(Box(edges=(2.0, 2.0, 20.0, 20.0), category=f"car {hostile}"),),
                fp32=(Box(edges=(2.0, 3.0, 20.0, 21.0), category="car", score=0.9),),
                now=(Box(edges=(4.0, 4.0, 18.0, 22.0), category="bus", score=0.4),),
                lost=1,
            ),
        ),
    )


def drawn(
    case: str = "drawn", judged: Outcome = Outcome.REGRESSED, **changes: object
) -> CaseOutcome:
    """A case with visuals, whose baseline was better by 5 dB."""
    found = outcome(case, judged=judged)
    assert found.result
    result = replace(found.result, visuals=replace(visuals(), **changes))
    before = outcome(case, predictions=(0, 1, 2, 3), sqnr_db=(45.0, 40.0, 35.0)).result
    assert before
    return replace(found, result=result, baseline=baseline_of(before))


def run_with_everything() -> GateResult:
    return run_of(outcome("plain"), drawn(), failed())


def run_info() -> RunInfo:
    return RunInfo(
        started=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        seconds=12.5,
        command="emu gate suites/",
        commit="abc123",
        machine="box Linux x86_64",
        versions={"emu": "1"},
    )


def history(scores: tuple[float, ...] = (0.7, 0.8, 0.75)) -> pd.DataFrame:
    """Runs of s/drawn as `load_history` gives them."""
    rows = [
        {
            "run": run,
            "started": pd.Timestamp("2026-01-01", tz="UTC"),
            "commit": "abc123",
            "suite": "s",
            "case": "drawn",
            "outcome": "equal",
            "score": score,
        }
        for run, score in enumerate(scores, 1)
    ]
    return pd.DataFrame(rows)
