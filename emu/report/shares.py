"""On which numbers a program multiplies, as text for people."""

from emu.graph import MacShares


def share_text(found: MacShares) -> str:
    """`99.8% on integers (a16w8 20.0%, a8w8 79.8%), float16 0.2%`."""
    if not found.macs:
        return "none"
    parts = {name: _percent(n, found.macs) for name, n in found.by_width.items()}
    floats = [f"{name} {parts.pop(name)}" for name in found.floating]
    widths = ", ".join(f"{name} {part}" for name, part in parts.items())
    if len(parts) == 1:
        widths = next(iter(parts))
    share = _percent(found.integer_macs, found.macs)
    whole = f"{share} on integers ({widths})" if parts else "none on integers"
    return ", ".join([whole, *floats])


def _percent(count: int, whole: int) -> str:
    """A share in percent, which is 0 or 100 only where it is exactly that."""
    share = 100 * count / whole
    if 0 < share < 0.1:
        return "<0.1%"
    return "100%" if count == whole else f"{min(share, 99.9):.1f}%"
