"""The integer program for others: test vectors for hardware benches."""

from emu.export.stimuli import (
    open_stimuli as open_stimuli,
    program_origin as program_origin,
)
from emu.export.vectors import (
    check_folder as check_folder,
    export_vectors as export_vectors,
)
