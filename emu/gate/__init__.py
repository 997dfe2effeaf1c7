"""The gate: suites, baselines and verdicts."""

from emu.gate.bands import Bands as Bands
from emu.gate.baseline import (
    Baseline as Baseline,
    LayerFigures as LayerFigures,
    baseline_folder as baseline_folder,
    baseline_of as baseline_of,
    baseline_path as baseline_path,
    read_baseline as read_baseline,
    write_baseline as write_baseline,
)
from emu.gate.causes import likely_cause as likely_cause
from emu.gate.changes import (
    CaseChange as CaseChange,
    LayerChange as LayerChange,
    RunChange as RunChange,
    SampleChange as SampleChange,
    Turn as Turn,
    diff_runs as diff_runs,
    find_run as find_run,
)
from emu.gate.checks import (
    assert_bit_exact as assert_bit_exact,
    assert_layer_close as assert_layer_close,
    assert_no_overflow as assert_no_overflow,
)
from emu.gate.emulate import Emulated as Emulated, emulate as emulate
from emu.gate.gate import (
    CaseOutcome as CaseOutcome,
    GateResult as GateResult,
    check_case as check_case,
    run_gate as run_gate,
)
from emu.gate.golden import has_recording as has_recording
from emu.gate.golden_record import (
    Recorded as Recorded,
    Status as Status,
    record_golden as record_golden,
)
from emu.gate.history import (
    append_run as append_run,
    find_history as find_history,
    history_path as history_path,
    load_history as load_history,
)
from emu.gate.history_file import check_history as check_history
from emu.gate.result import CaseResult as CaseResult
from emu.gate.run import Progress as Progress, run_case as run_case
from emu.gate.select import Selection as Selection, parse_shard as parse_shard
from emu.gate.shared import Shared as Shared
from emu.gate.statistics import (
    DetectionChange as DetectionChange,
    PairedChange as PairedChange,
)
from emu.gate.store import Store as Store, resume_path as resume_path
from emu.gate.suite import (
    Case as Case,
    Limits as Limits,
    Suite as Suite,
    read_suite as read_suite,
)
from emu.gate.verdict import (
    Kind as Kind,
    Outcome as Outcome,
    Verdict as Verdict,
    judge as judge,
)
