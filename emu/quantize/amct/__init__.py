"""AMCT's files: configurations that become recipes, and records of factors."""

from emu.quantize.amct.configuration import (
    Configuration as Configuration,
    recipe_data as recipe_data,
)
from emu.quantize.amct.factors import (
    fit_record as fit_record,
    record_of as record_of,
    require_honoured as require_honoured,
)
from emu.quantize.amct.reading import (
    parse_configuration as parse_configuration,
    read_configuration as read_configuration,
)
from emu.quantize.amct.record import (
    LayerRecord as LayerRecord,
    Record as Record,
    parse_record as parse_record,
    read_record as read_record,
    write_record as write_record,
)
