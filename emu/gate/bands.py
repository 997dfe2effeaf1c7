"""How far a layer's figures may move beside the baseline before they are judged.

Figures of layers are the one part of a baseline that is not exact: golden FP32 comes
from float sums, whose order depends on the machine. Noise of 1e-6 of a tensor's RMS, as
another order of sums makes it, moves no layer of the embedded models by more than 0.006
dB, 6e-8 in cosine and 0.0002 LSB; but a value on a tie may round the other way, and that
moves the largest error by about a step. The defaults leave room for larger networks and
stay far below what a wrong range or rounding does.
"""

from typing import Annotated

from pydantic import Field

from emu.config import Config

Width = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Bands(Config):
    """The largest differences that are no change, each way.

    Fields:
        sqnr_db: of the SQNR in dB; 0.5 is an eighth of the noise power.
        cosine: of the cosine similarity, which decides where the SQNR is low.
        max_lsb: of the largest error in steps of the layer; one tie on each side.
    """

    sqnr_db: Width = 0.5
    cosine: Width = 0.001
    max_lsb: Width = 2.0

    @property
    def told(self) -> str:
        """For people: "0.5 dB, cosine 0.001, 2 LSB"."""
        return f"{self.sqnr_db:g} dB, cosine {self.cosine:g}, {self.max_lsb:g} LSB"
