"""Datasets, preprocessing, metrics and the evaluation loop."""

from emu.evaluate.batches import (
    Batch as Batch,
    batches as batches,
    require_finite as require_finite,
)
from emu.evaluate.dataset_entry import (
    DatasetEntry as DatasetEntry,
    open_entry as open_entry,
)
from emu.evaluate.datasets import Dataset as Dataset, from_arrays as from_arrays
from emu.evaluate.detect import (
    MILLION as MILLION,
    Category as Category,
    Detections as Detections,
    DetectResult as DetectResult,
    Objects as Objects,
)
from emu.evaluate.entries import (
    ModelEntry as ModelEntry,
    dataset_names as dataset_names,
    find_dataset as find_dataset,
    find_model as find_model,
    load_dataset_entry as load_dataset_entry,
    load_model_entry as load_model_entry,
    model_names as model_names,
    suites_folders as suites_folders,
)
from emu.evaluate.kinds import (
    Kind as Kind,
    default_target as default_target,
    kind_of as kind_of,
)
from emu.evaluate.loop import (
    ClassifyResult as ClassifyResult,
    ReconstructResult as ReconstructResult,
    evaluate as evaluate,
)
from emu.evaluate.metrics import (
    AucCounts as AucCounts,
    auc as auc,
    top_class as top_class,
    topk_hits as topk_hits,
)
from emu.evaluate.preprocess import Preprocess as Preprocess
from emu.evaluate.random_data import (
    RandomData as RandomData,
    parse_random as parse_random,
    random_batches as random_batches,
)
from emu.evaluate.selection import (
    Selection as Selection,
    parse_selection as parse_selection,
)
from emu.evaluate.session import (
    EvalResult as EvalResult,
    evaluate_graph as evaluate_graph,
    evaluate_outputs as evaluate_outputs,
    first_rows as first_rows,
    from_quantized_file as from_quantized_file,
    lower_entry as lower_entry,
    model_inputs as model_inputs,
    open_model as open_model,
    origin as origin,
    quantize_entry as quantize_entry,
)
from emu.evaluate.sound import BadSample as BadSample, sound_samples as sound_samples
from emu.evaluate.task import Task as Task
