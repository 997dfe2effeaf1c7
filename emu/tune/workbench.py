"""Workbench: one model, its target and data, made ready for many trials.

Samples are prepared once, calibration statistics are collected once for all recipes
that were announced, and programs of one structure compile once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import pandas as pd

from emu.calibrate import Calibration, Observation, Statistics, collect, first_samples
from emu.compare import Mode, compare_layers
from emu.evaluate import (
    Dataset,
    EvalResult,
    ModelEntry,
    Preprocess,
    evaluate_graph,
    first_rows,
    from_arrays,
    model_inputs,
    origin,
)
from emu.execute import Family
from emu.graph import Graph, mac_shares, node_macs, producers
from emu.optimize import run_passes
from emu.quantize import (
    Recipe,
    averaged,
    balance_model,
    check_recipe,
    observations,
    quantize_graph,
)
from emu.targets import Target
from emu.tune.trials import digest, recipe_json

# Prepared samples are kept in memory up to this size, else prepared for each trial.
_KEPT_BYTES = 1 << 30
# Samples that layers are ranked on.
_RANKED = 64

Wishes = Mapping[str, frozenset[Observation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What evaluating one recipe gives; shares are of the MACs, 0 to 1."""

    counts: dict[str, int]
    score: float
    integer_share: float
    float_share: float
    wide_share: float


class Workbench:
    """What a search needs of a model: programs, their metric, their layers."""

    def __init__(
        self,
        entry: ModelEntry,
        graph: Graph,
        target: Target,
        calibration: Dataset,
        data: Dataset,
        batch_size: int = 32,
    ) -> None:
        """Prepare the samples; nothing is compiled yet.

        `graph` is the float model of `entry`. Raises DataError for samples that
        cannot be read, or that do not fit the model.
        """
        self.entry = entry
        self.target = target
        self.floats = run_passes(graph)
        self.batch_size = batch_size
        self._source = graph
        self._calibration, self._calibration_entry = _kept(calibration, entry)
        self._data, self._data_entry = _kept(data, entry)
        self._family = Family()
        self._announced: list[Recipe] = []
        self._statistics: dict[tuple[str, int | None], list[Statistics]] = {}
        self._balanced: dict[str, Graph] = {}
        self._identity = {
            "model": graph.provenance.get("sha256"),
            "target": target.model_dump(mode="json"),
            "calibration": calibration.digest(),
            "data": data.digest(),
        }
        self._about = {
            **origin(entry),
            "calibration": {
                "data": calibration.name,
                "samples": len(calibration),
                "digest": self._identity["calibration"],
            },
        }

    @property
    def samples(self) -> int:
        """Calibration samples."""
        return len(self._calibration)

    @property
    def layers(self) -> Sequence[str]:
        """Layers with multiply-accumulates, in execution order."""
        graph = self.floats
        return [node.name for node in graph.nodes if node_macs(graph, node)]

    @property
    def everything(self) -> Sequence[str]:
        """All layers, in execution order."""
        return [node.name for node in self.floats.nodes]

    @property
    def compiled(self) -> int:
        """Programs that had to be compiled for trials."""
        return self._family.compiled

    def question(self) -> str:
        """Digest of model, target and data: what all trials here have in common."""
        return digest(self._identity)

    def around(self, layer: str) -> Sequence[str]:
        """The layers that make the result and the computed operands of a layer."""
        makers = producers(self.floats)
        node = next((n for n in self.floats.nodes if n.name == layer), None)
        if node is None:  # an input of the model
            return [layer]
        operands = [x for x in node.inputs if x not in self.floats.constants]
        return [layer, *(makers[x].name if x in makers else x for x in operands)]

    def prepare(self, recipes: Iterable[Recipe]) -> None:
        """Announce recipes: what they need of the data is collected in one go."""
        self._announced += recipes

    def fp32(self) -> EvalResult:
        """The float model on all of the data."""
        return self._evaluate(self._source)

    def measure(self, recipe: Recipe) -> Measured:
        """Quantize and evaluate on all of the data."""
        program = self.program(recipe, uniform=True)
        result = self._evaluate(program, self._family)
        shares = _shares(program, self.target)
        return Measured(counts=result.counts(), score=result.score, **shares)

    def program(self, recipe: Recipe, *, uniform: bool = False) -> Graph:
        """The integer program of a recipe, as `quantize_model` makes it.

        A `uniform` one computes the same with one structure whatever the ranges are.
        """
        check_recipe(recipe, self.floats)
        graph = self._graph(recipe)
        statistics = self._collected(recipe)
        found = observations(recipe, graph, self.target)
        ranges = {
            name: statistics.range(name, observation)
            for name, observation in found.items()
        }
        calibration = Calibration(ranges=ranges, means=statistics.means)
        record = {
            "target": self.target.model_dump(mode="json"),
            "recipe": recipe_json(recipe),
            **self._about,
        }
        return quantize_graph(
            graph, calibration, recipe, self.target, record, uniform=uniform
        )

    def rank(self, recipe: Recipe) -> pd.DataFrame:
        """Every layer alone on golden inputs: columns name, op, sqnr_db, cosine."""
        inputs = first_rows(
            model_inputs(self._data, self._data_entry, self.batch_size), _RANKED
        )
        report = compare_layers(
            self.program(recipe),
            str(self.entry.file),
            inputs,
            self.batch_size,
            (Mode.ISOLATED,),
        )
        return report.tables[Mode.ISOLATED].filter(["name", "op", "sqnr_db", "cosine"])

    def _evaluate(self, graph: Graph, family: Family | None = None) -> EvalResult:
        return evaluate_graph(
            graph, self._data_entry, self._data, self.batch_size, family=family
        )

    def _batches(self) -> Iterator[np.ndarray]:
        return model_inputs(self._calibration, self._calibration_entry, self.batch_size)

    def _graph(self, recipe: Recipe) -> Graph:
        """The float graph that a recipe quantizes, its layers balanced if it says so."""
        key = _balance_key(recipe)
        if key not in self._balanced:
            batches = first_samples(self._batches, recipe.batch_count)
            self._balanced[key] = balance_model(self.floats, batches, recipe).graph
        return self._balanced[key]

    def _collected(self, recipe: Recipe) -> Statistics:
        """Statistics that hold what a recipe needs, and what was announced beside it."""
        key = (_balance_key(recipe), recipe.batch_count)
        for known in self._statistics.get(key, []):
            if self._suffices(known, recipe):
                return known
        alike = [
            other
            for other in (recipe, *self._announced)
            if (_balance_key(other), other.batch_count) == key
        ]
        graph = self._graph(recipe)
        wishes: dict[str, dict[Observation, None]] = {}
        means: dict[str, None] = {}
        for one in alike:
            for name, seen in observations(one, graph, self.target).items():
                wishes.setdefault(name, {})[seen] = None
            means |= dict.fromkeys(averaged(one, graph))
        found = collect(
            graph,
            first_samples(self._batches, recipe.batch_count),
            wishes,
            tuple(means),
        )
        self._statistics.setdefault(key, []).append(found)
        return found

    def _suffices(self, known: Statistics, recipe: Recipe) -> bool:
        graph = self._graph(recipe)
        wanted = observations(recipe, graph, self.target)
        return all(seen in known.wishes[name] for name, seen in wanted.items()) and all(
            name in known.means for name in averaged(recipe, graph)
        )


def _balance_key(recipe: Recipe) -> str:
    """What of a recipe changes the float graph: who balances, and on which samples."""
    said = {
        "global": recipe.everywhere.migration_strength,
        "op": {k: v.migration_strength for k, v in recipe.op.items()},
        "layer": {k: v.migration_strength for k, v in recipe.layer.items()},
    }
    balances = any((said["global"], *said["op"].values(), *said["layer"].values()))
    return digest([said, recipe.batch_count]) if balances else ""


def _kept(dataset: Dataset, entry: ModelEntry) -> tuple[Dataset, ModelEntry]:
    """The samples as the model's inputs in memory, if they fit, and how to read them.

    Images with objects stay as they are: where their pixels lie on the input is needed.
    """
    if entry.preprocess.windowed or dataset.objects is not None:
        return dataset, entry
    first = next(model_inputs(dataset.first(1), entry, 1))
    if prod(first.shape) * first.itemsize * len(dataset) > _KEPT_BYTES:
        return dataset, entry
    x = np.concatenate(list(model_inputs(dataset, entry, 32)))
    prepared = from_arrays(
        x, dataset.labels, name=dataset.name, ids=dataset.ids, file=dataset.file
    )
    return prepared, entry.model_copy(update={"preprocess": Preprocess()})


def _shares(program: Graph, target: Target) -> dict[str, float]:
    """Shares of the MACs: on integers, not on integers, and on wide integers."""
    found = mac_shares(program)
    wide = sum(
        count
        for (activation, weight), count in found.integer.items()
        if activation > target.activation.bits or weight > target.weight.bits
    )
    return {
        "integer_share": found.integer_share,
        "float_share": 1 - found.integer_share,
        "wide_share": wide / found.macs if found.macs else 0.0,
    }
