"""Numbers and names as text for people."""

from emu.evaluate.compression import Compression


def count_text(count: int) -> str:
    """A count with thousands separated; nothing for none."""
    return f"{count:,}" if count else ""


def shape_text(shape: tuple[int, ...]) -> str:
    """Sizes of one sample: "112x112x16"."""
    return "x".join(map(str, shape)) or "scalar"


def bytes_text(size: int) -> str:
    """A size in decimal units: 845 B, 12.3 kB, 4.9 MB."""
    if size < 1000:
        return f"{size} B"
    value, unit = size / 1e3, "kB"
    for larger in ("MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1e3, larger
    return f"{value:.1f} {unit}"


def name_text(name: str, width: int) -> str:
    """A tensor's or layer's name in at most `width` columns.

    Of names that a converter joined by ";" the first stays; of a path the end.
    """
    if len(name) <= width:
        return name
    first, joined, _ = name.partition(";")
    text = f"{first};…" if joined else first
    return text if len(text) <= width else "…" + text[1 - width :]


def compression_text(found: Compression) -> str:
    """By how much codebooks make weights smaller, and in how many layers."""
    counts = sorted({layer.steps for layer in found.compressed if layer.steps})
    return (
        f"{found.ratio:.2f}x smaller: {found.weight_bits:,} bits to "
        f"{found.stored_bits:,}; {len(found.compressed)} of {len(found.layers)} layers "
        f"hold indices of {' or '.join(map(str, counts))} levels"
    )


def percent_text(share: float) -> str:
    """A share of 0 to 1 in percent, with two digits."""
    return f"{100 * share:.2f} %"
