"""Suites: which models are measured, on which data, and what they may lose.

    description = "ResNet-8 on CIFAR-10"

    [[case]]
    id = "resnet8-ic01"
    model = "resnet8"                entry of suites/models, or a path
    data = "cifar10_ic01"            default: what the model's entry says
    calibration = "cifar10_jpeg[8::20]"
    target = "generic-int8"
    recipe = "recipes/resnet8.toml"
    limits = { max_drop_points = 1.0 }

Lists of models, targets and recipes make a case of every combination; the id (and the
recipe) then names what varies:

    [[case]]
    id = "{model}-{target}-{recipe}"
    model = ["resnet8", "vww"]
    target = ["generic-int8", "ascend-310"]
    recipe = ["recipes/kl.toml", "recipes/auto/{model}-{target}.toml"]

{recipe} is the name of the file without its ending, and of its folder in the place of
a name that holds others (auto). Paths count from the folder of the suite and stay
in its project (see `emu.gate.project`). Names are looked for in the `models` and
`datasets` folders beside the suite, then where the command line looks for them.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from emu.compare import ENGINES, Mode
from emu.config import Config, line_of, load_toml, nearest, place, validate
from emu.errors import ConfigError
from emu.evaluate import ModelEntry, find_model
from emu.evaluate.entries import MODEL_SUFFIXES
from emu.evaluate.selection import split_reference
from emu.gate.bands import Bands
from emu.gate.project import require_inside
from emu.gate.subset import Samples
from emu.gate.time_ratio import TIMED_ENGINES

_PATH_SUFFIXES: Final = (".toml", ".npz", *sorted(MODEL_SUFFIXES))
# Keys of a case that may hold paths.
_PATHS: Final = ("model", "data", "calibration", "target", "recipe")
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")


Decibels = Annotated[float, Field(ge=-400, le=400)]


class Limits(Config):
    """What quantization may cost, whatever the baseline says.

    Fields:
        max_drop_points: most points of Top-1, or of 100 times mAP, below FP32; may be
            negative.
        max_drop_auc: most that the area under the ROC curve may lose, 0 to 1.
        max_drop_percent: most that the metric may lose, in percent of FP32's.
        not_worse_alpha: Top-1 or mAP may lose no more than chance explains at this
            level (0 to 1), sample by sample against FP32.
        min_sqnr_db: least SQNR of every layer alone (in the network, where that alone
            is compared); or of layers by patterns of their names: {"conv*" = 30}.
        max_lsb: engine -> most steps that any integer may be off from it. For files
            that are quantized already.
        max_time_ratio: engine -> most times as long as the model's file takes in it,
            both timed in turns in this process.
    """

    max_drop_points: Annotated[float, Field(ge=-100, le=100)] | None = None
    max_drop_auc: Annotated[float, Field(ge=-1, le=1)] | None = None
    max_drop_percent: Annotated[float, Field(ge=-100, le=100)] | None = None
    not_worse_alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_sqnr_db: Decibels | dict[str, Decibels] | None = None
    max_lsb: dict[str, Annotated[int, Field(ge=0)]] | None = None
    max_time_ratio: dict[str, Annotated[float, Field(gt=0, le=1e9)]] | None = None

    @property
    def stated(self) -> set[str]:
        """The names of those that are set."""
        return {name for name, value in self if value is not None}

    @field_validator("max_lsb")
    @classmethod
    def _names_engines(cls, limits: dict[str, int] | None) -> dict[str, int] | None:
        _require_known(limits or (), list(ENGINES))
        return limits

    @field_validator("max_time_ratio")
    @classmethod
    def _names_timed(cls, limits: dict[str, float] | None) -> dict[str, float] | None:
        _require_known(limits or (), list(TIMED_ENGINES))
        return limits


class Case(Config):
    """One measurement of a suite.

    Fields:
        id: unique in the suite; names the baseline file.
        model: entry or path of a model: float, quantized, or a program.
        data, calibration: dataset references; by default those of the entry.
        target: built-in accelerator, or the path of its TOML; by default generic-int8,
            and for a quantized file what its usual engine does.
        recipe: path of a recipe TOML.
        batch_size: rows per call. Figures do not depend on it, digests neither.
        compare_samples: rows that the per-layer table is made of.
        compare: what layers are fed with, by default both ways.
        limits: what quantization may cost.
        bands: how far figures of layers may move beside the baseline.
        samples: the part of the data that is evaluated: the first so many, a choice
            ({ choose = 64, seed = 7 }), or a list of names.
        tags: words by which runs choose cases.
        known_failure: why the case is expected to fail; then it fails by passing.

    A model that is quantized already has no FP32 beside it: it takes no calibration,
    recipe or limit but `max_lsb` and `max_time_ratio`.
    """

    id: str
    model: str
    data: str | None = None
    calibration: str | None = None
    target: str | None = None
    recipe: str | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    compare_samples: Annotated[int, Field(ge=1, le=100_000)] = 64
    compare: Annotated[tuple[Mode, ...], Field(min_length=1)] = tuple(Mode)
    limits: Limits = Limits()
    bands: Bands = Bands()
    samples: Samples | None = None
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    known_failure: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("id")
    @classmethod
    def _is_file_name(cls, text: str) -> str:
        if not _ID.fullmatch(text):
            raise ValueError("expected letters, digits, '_', '-' and '.'")
        return text


Names = str | Annotated[tuple[str, ...], Field(min_length=1)]


class _Cases(Case):
    """One case of a file, or all combinations of its lists."""

    model: Names  # type: ignore[assignment] - what a file may say
    target: Names | None = None  # type: ignore[assignment]
    recipe: Names | None = None  # type: ignore[assignment]

    @field_validator("id")
    @classmethod
    def _is_file_name(cls, text: str) -> str:
        """What it becomes is checked in each case."""
        return text

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Each case as a file would say it alone."""
        said = self.model_dump(exclude_unset=True)
        for model, target, recipe in product(
            *(_listed(names) for names in (self.model, self.target, self.recipe))
        ):
            known = {"model": _stem(model), "target": _stem(target)}
            path = _filled(recipe, known)
            names = {**known, "recipe": _recipe_name(recipe)}
            found = {**said, "model": model, "target": target, "recipe": path}
            found["id"] = _filled(self.id, names)
            yield {key: value for key, value in found.items() if value is not None}


class _SuiteFile(Config):
    description: str = ""
    case: Annotated[tuple[_Cases, ...], Field(min_length=1)]


class Suite(Config):
    """A whole suite; at least one case."""

    description: str = ""
    case: Annotated[tuple[Case, ...], Field(min_length=1)]


def read_suite(path: Path) -> Suite:
    """Read a suite.

    Raises ConfigError (file, line, key) for a wrong key or value, two cases of one id,
    and a path that leaves the project.
    """
    data, text = load_toml(path)
    file = validate(data, _SuiteFile, file=path, text=text)
    found: dict[str, Case] = {}
    lines: dict[str, int] = {}
    for position, declared in enumerate(file.case):
        at = ("case", position)
        for combination in declared.combinations():
            case = validate(combination, Case, file=path, text=text, at=at)
            line = line_of((*at, "id"), text)
            if case.id in found:
                raise ConfigError(
                    f"two cases have the id {case.id!r}, {_lines(lines[case.id], line)}",
                    file=path,
                    where=place((*at, "id"), text),
                )
            for key in _PATHS:
                where = place((*at, key), text)
                require_inside(path, getattr(case, key), where)
            found[case.id], lines[case.id] = case, line
    return Suite(description=file.description, case=tuple(found.values()))


def case_model(suite: Path, case: Case) -> ModelEntry:
    """The model entry that a case means; errors as of `find_model`."""
    return find_model(_locate(suite, case.model, "models"))


def case_data(suite: Path, case: Case, entry: ModelEntry) -> str:
    """Reference of the data to evaluate; ConfigError if nothing names it."""
    return _reference(suite, case.data or entry.data, case, "data")


def case_calibration(suite: Path, case: Case, entry: ModelEntry) -> str:
    """Reference of the calibration data; ConfigError if nothing names it."""
    reference = case.calibration or entry.calibration
    return _reference(suite, reference, case, "calibration")


def case_file(suite: Path, ref: str) -> str:
    """A path of a suite (recipe, target) seen from here; a name stays as it is."""
    return str(suite.parent / ref) if _is_path(ref) else ref


def _reference(suite: Path, ref: str | None, case: Case, key: str) -> str:
    if ref is None:
        raise ConfigError(
            f"neither the case nor the entry of model {case.model!r} names its {key}",
            file=suite,
            where=case.id,
        )
    base, _ = split_reference(ref)
    return _locate(suite, base, "datasets") + ref[len(base) :]


def _locate(suite: Path, ref: str, section: str) -> str:
    """A path from the suite's folder; or the entry beside the suite; or the name."""
    if _is_path(ref):
        return str(suite.parent / ref)
    entry = suite.parent / section / f"{ref}.toml"
    return str(entry) if entry.is_file() else ref


def _require_known(engines: Iterable[str], known: list[str]) -> None:
    for name in engines:
        if name not in known:
            raise ValueError(f"no engine {name!r}{nearest(name, known)}")


def _lines(first: int, second: int) -> str:
    if first == second:
        return (
            f"both of line {first}; an id names what varies: {{model}}, {{target}} ..."
        )
    return f"lines {first} and {second}"


def _listed(names: str | tuple[str, ...] | None) -> tuple[str | None, ...]:
    return names if isinstance(names, tuple) else (names,)


def _stem(ref: str | None) -> str:
    return Path(ref).stem if ref and _is_path(ref) else ref or ""


def _recipe_name(ref: str | None) -> str:
    """The name of a recipe's file; of its folder, if the file is named by the case."""
    if ref is None:
        return ""
    return Path(ref).parent.name if "{" in Path(ref).name else _stem(ref)


def _filled(text: str | None, names: dict[str, str]) -> str | None:
    """{model}, {target} and {recipe} replaced; other braces stay as they are."""
    for name, value in names.items():
        text = text and text.replace(f"{{{name}}}", value)
    return text


def _is_path(ref: str) -> bool:
    return "/" in ref or ref.lower().endswith(_PATH_SUFFIXES)
