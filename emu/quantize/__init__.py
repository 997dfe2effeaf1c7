"""Quantization: recipes, and the lowering of a float Graph to an integer Graph."""

from emu.quantize.amct import (
    Record as Record,
    read_record as read_record,
    record_of as record_of,
    write_record as write_record,
)
from emu.quantize.layers import (
    LOWERINGS as LOWERINGS,
    quantize_graph as quantize_graph,
)
from emu.quantize.parameters import (
    activation_qparams as activation_qparams,
    quantize_weights as quantize_weights,
    to_integers as to_integers,
)
from emu.quantize.pipeline import (
    balance_model as balance_model,
    calibration_gaps as calibration_gaps,
    quantize_model as quantize_model,
)
from emu.quantize.recipe import (
    Recipe as Recipe,
    Settings as Settings,
    averaged as averaged,
    check_recipe as check_recipe,
    observations as observations,
    read_recipe as read_recipe,
)
from emu.quantize.recipe_file import (
    RecipeFile as RecipeFile,
    open_recipe as open_recipe,
)
from emu.quantize.recipe_text import recipe_text as recipe_text
from emu.quantize.stated import (
    is_stated as is_stated,
    lower_stated as lower_stated,
)
from emu.quantize.weights import (
    WeightMethod as WeightMethod,
    WeightStyle as WeightStyle,
)
