"""`emu targets` on the terminal: the list, or one accelerator in full."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.targets import Target


def render_targets(found: Iterable[Target]) -> RenderableType:
    """One line for each accelerator."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("target", no_wrap=True)
    table.add_column("activations")
    table.add_column("weights")
    table.add_column("accumulator")
    table.add_column("description")
    for target in found:
        sign = "int" if target.activation.signed else "uint"
        channels = "per channel" if target.weight.per_channel else "per tensor"
        table.add_row(
            Text(target.name, "bold"),
            f"{sign}{target.activation.bits}",
            f"int{target.weight.bits} {channels}",
            f"int{target.accumulator.bits} {target.accumulator.overflow.value}",
            Text(target.description),
        )
    return table


def render_target(target: Target) -> RenderableType:
    """Every field of one accelerator, in the sections of its TOML."""
    fields = target.model_dump(mode="json", exclude={"name", "description"})
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_column()
    for section, values in fields.items():
        for position, (key, value) in enumerate(_items(values)):
            grid.add_row(section if position == 0 else "", key, Text(_plain(value)))
    title = Text.assemble((target.name, "bold"), f"  {target.description}")
    return Group(title, "", grid)


def _items(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON data
    """The values of a section by dotted keys."""
    if isinstance(values, Mapping):
        for key, inner in values.items():
            yield from _items(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, values


def _plain(value: Any) -> str:  # noqa: ANN401 - JSON data
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
