"""AMCT's files: configurations that become recipes, and records of factors."""

from emu.quantize.amct.configuration import (
    Configuration as Configuration,
    parse_configuration as parse_configuration,
    read_configuration as read_configuration,
    recipe_data as recipe_data,
)
