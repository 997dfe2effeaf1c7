"""Several narrow integers in a byte, as files and memories hold int4 and int2."""

import numpy as np
from jaxtyping import Integer, UInt8

from emu.errors import ConfigError, DataError
from emu.fixedpoint.formats import IntFormat


def pack(
    values: Integer[np.ndarray, "..."], fmt: IntFormat
) -> UInt8[np.ndarray, " bytes"]:
    """Bytes that hold the values in order, the first in the lowest bits of its byte.

    Two's complement of 2 or 4 bits each; unused bits of the last byte are 0. TFLite,
    ONNX and TOSA files hold int4 in this way.

    Raises:
        ConfigError: a format of another width.
        DataError: a value outside the format.
    """
    count = _in_a_byte(fmt)
    flat = values.ravel()
    if flat.size and not fmt.min <= int(flat.min()) <= int(flat.max()) <= fmt.max:
        raise DataError(f"values {flat.min()}..{flat.max()} do not fit {fmt}")
    fields = np.zeros(-(-flat.size // count) * count, np.uint8)
    fields[: flat.size] = flat.astype(np.int64) & ((1 << fmt.bits) - 1)
    shifts = np.arange(0, 8, fmt.bits, dtype=np.uint8)
    return np.bitwise_or.reduce(fields.reshape(-1, count) << shifts, axis=1)


def unpack(
    data: UInt8[np.ndarray, " bytes"], fmt: IntFormat, shape: tuple[int, ...]
) -> Integer[np.ndarray, "..."]:
    """The values that `pack` put into bytes, in the storage dtype of the format.

    Raises:
        ConfigError: a format that is not 2 or 4 bits wide.
        DataError: more or fewer bytes than the shape needs.
    """
    count, size = _in_a_byte(fmt), int(np.prod(shape))
    if data.size != -(-size // count):
        raise DataError(f"{data.size} bytes for {size} values of {fmt}")
    shifts = np.arange(0, 8, fmt.bits, dtype=np.uint8)
    fields = (data[:, None] >> shifts & ((1 << fmt.bits) - 1)).ravel()[:size]
    # A field above the format's maximum is a negative number.
    wrapped = fields.astype(np.int16) - (1 << fmt.bits) * (fields > fmt.max)
    return wrapped.astype(fmt.dtype).reshape(shape)


def _in_a_byte(fmt: IntFormat) -> int:
    if fmt.bits not in (2, 4):
        raise ConfigError(f"{fmt} does not divide a byte; expected 2 or 4 bits")
    return 8 // fmt.bits
