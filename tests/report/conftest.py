"""Reports of made-up figures, so that nothing has to be measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emu.compare import LayerReport, Mode
from emu.errors import DataError
from emu.evaluate import ClassifyResult
from emu.gate import (
    Case,
    CaseOutcome,
    CaseResult,
    GateResult,
    Kind,
    Outcome,
    Verdict,
    baseline_of,
)


def row(name: str, sqnr_db: float, **changes: object) -> dict[str, object]:
    figures: dict[str, object] = {
        "name": name,
        "op": "Conv2d",
        "sqnr_db": sqnr_db,
        "cosine": 0.999,
        "mse": 1e-4,
        "max_lsb": 2.5,
        "mean_error": -1e-3,
        "differing": 4,
        "elements": 100,
        "saturated": 0.01,
        "acc_bits": 19,
        "acc_overflows": 0,
    }
    return {**figures, **changes}


def made_up_layers() -> LayerReport:
    long = "a/very/long/name/of/a/layer/as/exporters/write/them"
    tables = {
        Mode.CUMULATIVE: pd.DataFrame(
            [
                row("input", float("inf"), differing=0),
                row("first", 30.0, acc_bits=0),
                row(long, 25.0, acc_overflows=123456),
            ]
        ),
        Mode.ISOLATED: pd.DataFrame(
            [row("input", float("inf")), row("first", 31.0), row(long, 42.0)]
        ),
    }
    engine = {"engine": "onnxruntime", "version": "1.2.3"}
    return LayerReport(tables=tables, samples=64, engine=engine)


def classified(right: int) -> ClassifyResult:
    n = 200
    labels = np.zeros(n, np.int64)
    return ClassifyResult(
        ids=tuple(f"s{i}" for i in range(n)),
        labels=labels,
        predictions=(np.arange(n) >= right).astype(np.int64),
        top5_hits=np.ones(n, bool),
    )


@pytest.fixture
def layers() -> LayerReport:
    return made_up_layers()


@pytest.fixture
def result() -> ClassifyResult:
    return classified(170)


@pytest.fixture
def gate() -> GateResult:
    """One verdict of each outcome, a measured case and one that failed."""
    measured = CaseResult(
        case=Case(id="c", model="m"),
        data="d",
        calibration="e",
        target="generic-int8",
        fp32=classified(171),
        quantized=classified(170),
        layers=made_up_layers(),
        digest="ab" * 32,
        versions={"emu": "1"},
        seconds=1.25,
    )
    verdicts = tuple(
        Verdict(suite="s", case="c", kind=kind, outcome=outcome, detail="[b]so[/b]")
        for kind, outcome in zip(
            list(Kind)[: len(Outcome)],
            list(Outcome),
            strict=True,
        )
    )
    error = DataError("no luck", file=Path("data.npz"), where="x[3]")
    failed = Verdict(
        suite="s", case="f", kind=Kind.RUN, outcome=Outcome.FAILED, detail=str(error)
    )
    return GateResult(
        cases=(
            CaseOutcome(
                suite="s",
                case="c",
                verdicts=verdicts,
                result=measured,
                baseline=baseline_of(measured),
                changes=("digest bits: a -> b",),
            ),
            CaseOutcome(suite="s", case="f", verdicts=(failed,), error=error),
        )
    )
