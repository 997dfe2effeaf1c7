"""Reports: results rendered for the terminal and as JSON; nothing is computed here."""

from emu.report.against import (
    against_json as against_json,
    render_against as render_against,
)
from emu.report.golden import (
    golden_json as golden_json,
    golden_table as golden_table,
)
from emu.report.plain import (
    compare_json as compare_json,
    eval_json as eval_json,
    gate_json as gate_json,
    layer_rows as layer_rows,
)
from emu.report.summary import summary_table as summary_table
from emu.report.terminal import (
    WIDTH as WIDTH,
    accuracy_table as accuracy_table,
    eval_table as eval_table,
    gate_report as gate_report,
    layer_table as layer_table,
    skipped_lines as skipped_lines,
    verdict_table as verdict_table,
)
