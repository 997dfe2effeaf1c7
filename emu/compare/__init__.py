"""Comparison of every layer with golden FP32, another engine or a hardware dump."""

from emu.compare.against import (
    AgainstReport as AgainstReport,
    Difference as Difference,
)
from emu.compare.against_dump import (
    Dump as Dump,
    MatchedDump as MatchedDump,
    compare_with_dump as compare_with_dump,
    match_dump as match_dump,
    open_dump as open_dump,
)
from emu.compare.against_engine import (
    compare_with_engine as compare_with_engine,
    golden_names as golden_names,
)
from emu.compare.compare import (
    LayerReport as LayerReport,
    Mode as Mode,
    compare_layers as compare_layers,
)
from emu.compare.engines import (
    ENGINES as ENGINES,
    open_engine as open_engine,
)
from emu.compare.engines_litert import (
    Resolver as Resolver,
    litert_engine as litert_engine,
)
from emu.compare.golden import (
    ONNXRUNTIME_FAILURES as ONNXRUNTIME_FAILURES,
    GoldenEngine as GoldenEngine,
    onnxruntime_engine as onnxruntime_engine,
    session_options as session_options,
)
