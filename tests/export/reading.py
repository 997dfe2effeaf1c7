"""Reading an export back, sharing no code with what wrote it."""

import json
import struct
from pathlib import Path

import numpy as np

FLOATS = {16: "<e", 32: "<f", 64: "<d"}


def numbers(text, word):
    """The numbers in a hex file, by Python's own integers; `word` as "int20"."""
    kind = word.rstrip("0123456789")
    bits = int(word.removeprefix(kind))
    found = []
    for line in text.splitlines():
        if line.startswith("//"):
            continue
        code = int(line, 16)
        assert len(line) == -(-bits // 4)
        assert code < 1 << bits
        if kind == "float":
            found.append(
                struct.unpack(FLOATS[bits], code.to_bytes(bits // 8, "little"))
            )
        elif kind == "int" and code >> (bits - 1):
            found.append(code - (1 << bits))
        else:
            found.append(code)
    return found


def array(folder, file):
    """The array that an entry of the manifest describes."""
    text = (Path(folder) / file["file"]).read_text()
    values = np.array(numbers(text, file["format"]))
    return values.astype(file["dtype"]).reshape(file["shape"])


def manifest(folder):
    """The manifest of an export."""
    return json.loads((Path(folder) / "manifest.json").read_text())
