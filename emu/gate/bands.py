"""How far a layer's figures may move beside the baseline before they are judged."""

from typing import Annotated

from pydantic import Field

from emu.config import Config

Width = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Bands(Config):
    """The largest differences that are no change, each way.

    Fields:
        sqnr_db: of the SQNR in dB.
        cosine: of the cosine similarity.
        max_lsb: of the largest error in steps of the layer.
    """

    sqnr_db: Width = 0.5
    cosine: Width = 0.001
    max_lsb: Width = 2.0

    @property
    def told(self) -> str:
        """For people: "0.5 dB, cosine 0.001, 2 LSB"."""
        return f"{self.sqnr_db:g} dB, cosine {self.cosine:g}, {self.max_lsb:g} LSB"
