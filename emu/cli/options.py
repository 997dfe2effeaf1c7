"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Argument(
        help="A model file (.onnx, .tflite, .tosa, .emu), or the name of an entry in "
        "suites/models.",
        show_default=False,
        metavar="MODEL",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="An entry in suites/datasets, an .npz file or a folder of images, with "
        "selections such as '[:100]'; by default the model's own.",
        show_default=False,
        metavar="DATA",
    ),
]
DataOrRandom = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="As for `emu eval`; or random[:N[:SEED]], random inputs over the range of "
        "the model's inputs.",
        show_default=False,
        metavar="DATA",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="Quantize a float model, or run a quantized file, as this accelerator: a "
        "name that `emu targets` lists, or a .toml file.",
        show_default=False,
        metavar="T",
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(
        "--calib",
        help="Samples that calibrate, written as for --data; by default the model's "
        "own.",
        show_default=False,
        metavar="DATA",
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        help="How to quantize: global, per operator type, per layer; or a "
        "configuration file of AMCT's.",
        show_default=False,
        metavar="R.toml",
    ),
]
BatchSize = Annotated[
    int, typer.Option("--batch", help="Samples per batch.", min=1, max=65536)
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")
]
