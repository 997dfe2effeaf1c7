"""`emu compile --to amct-record` on the terminal: what the file tells of."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text


def render_record(made: Mapping[str, Any]) -> Text:
    """How many layers and further tensors have factors in the file."""
    layers, tensors = len(made["layers"]), len(made["tensors"])
    return Text.assemble(
        (made["file"], "bold"), f"  {layers} layers, {tensors} tensors besides"
    )
