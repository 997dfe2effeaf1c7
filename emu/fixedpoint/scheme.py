"""RescaleScheme: the ways in which hardware multiplies an accumulator by a scale."""

from enum import Enum


class RescaleScheme(Enum):
    """How an accumulator x is multiplied by a real scale.

    With multiplier m and shift s (scale ~ m * 2**-s):

    SINGLE_ROUND: (x * m + 2**(s-1)) >> s; apply_scale_32 of TOSA 1.0 without
        double rounding, and TFLite built with TFLITE_SINGLE_ROUNDING.
    DOUBLE_ROUND: SRDHM, then a shift half away from zero: gemmlowp, the TFLite
        reference kernels (MultiplyByQuantizedMultiplier in kernels/internal/common).
    SRDHM_HALF_UP: SRDHM, then a shift half up: LiteRT without delegates (ruy).
    POWER_OF_TWO: an arithmetic shift, half up; m is 1.
    TOSA_DOUBLE: as SINGLE_ROUND, but with s > 31 another 2**30 is added first, or
        taken away if x < 0; DOUBLE_ROUND of TOSA 1.0 (apply_scale_32 in the
        reference model's quant_util.h). Another formula for the same numbers as
        gemmlowp's; multipliers of a file may be any from 0 on.
    TOSA_INEXACT: INEXACT_ROUND of TOSA 1.0, which leaves the rounding to the
        implementation within one step; computed as SINGLE_ROUND.
    TOSA_SCALE16: (x * m + 2**(s-1)) >> s with a 16-bit m and x of up to 48 bits;
        apply_scale_16 of TOSA 1.0.
    INT16X8: the same formula; TFLite's MultiplyByQuantizedMultiplier of int64, whose
        m is the 32-bit one reduced to 16 bits.

    With a real multiplier m:

    FLOAT32_HALF_EVEN: rint(float32(x) * m), m float32: ONNX Runtime, XNNPACK.
    FLOAT64: float64(x) * m rounded half away from zero, m float64: LiteRT's reference
        fully connected (reference/integer_ops/fully_connected.h).
    ASCEND_FP16: rint(float32(x) * m), m a float16 number, beyond their range the
        square of one: AMCT's cast_fp16_precision (common/utils/util.py).
    ASCEND_S19: the same, m float32 cut to sign, 8 bits of exponent and 10 of
        mantissa: AMCT's cast_to_s19, for FORCE_FP16_QUANT.
    SHIFT_BIT: rint(float32(v) * m) of v = x >> s saturated to 16 bits, s in 1..16:
        AMCT's shift_bit (records; its search simulates the shift and saturation).
        m compensates the shift.

    SRDHM (saturating rounding doubling high multiply, VQRDMULH) is
    (2**left * x * m + 2**30) >> 31 here, where left = max(31 - s, 0) and the shift
    that follows is max(s - 31, 0). As multipliers are not negative it never
    saturates, and 2**left * x never wraps (in TFLite that is undefined).
    """

    SINGLE_ROUND = "single-round"
    DOUBLE_ROUND = "double-round"
    SRDHM_HALF_UP = "srdhm-half-up"
    FLOAT32_HALF_EVEN = "float32-half-even"
    POWER_OF_TWO = "power-of-two"
    TOSA_DOUBLE = "tosa-double"
    TOSA_INEXACT = "tosa-inexact"
    TOSA_SCALE16 = "tosa-scale16"
    INT16X8 = "int16x8"
    FLOAT64 = "float64"
    ASCEND_FP16 = "ascend-fp16"
    ASCEND_S19 = "ascend-s19"
    SHIFT_BIT = "shift-bit"
