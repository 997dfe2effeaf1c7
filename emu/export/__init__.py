"""The integer program for others: vectors for hardware benches, records for AMCT."""

from emu.export.record import (
    check_file as check_file,
    export_record as export_record,
)
from emu.export.stimuli import (
    open_stimuli as open_stimuli,
    program_origin as program_origin,
)
from emu.export.vectors import (
    check_folder as check_folder,
    export_vectors as export_vectors,
)
