"""The keys of AMCT's three configuration notations and what each means in a recipe.

Sources (facts only):
    JSON, "config.json": hicann/amct at 2be20da, docs/zh/context/ptq_config_param.md,
        docs/zh/api/create_quant_config.md; ranges and defaults also in
        amct_pytorch/classic/graph_based/common/config/field.py; nuq_quantize with
        num_steps and num_of_iteration in the CANN 8.0 documents
        (www.hiascend.com, atlasamct_16_0388).
    Simplified, "quant.cfg": the same repository, docs/zh/context/ptq_config.md and
        proto/calibration_config_pytorch.proto; fields of the ONNX edition from
        www.hiascend.com, atlasamct_16_0163 and atlasamctonnx_16_0074.
    Old text form: "Configuration File Template" and "Description of the Configuration
        Parameters" of the Atlas model conversion guide (support.huaweicloud.com,
        atlasmcg_05_c30_0016 and _0017). PERCENTILE_MID is published as 0.99999; that
        PERCENTILE_HIGH is 1.0 is inferred from "1.0 and 0.99999 are recommended", and
        no value of PERCENTILE_LOW is published, so it is refused.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from emu.quantize.amct.keys import (
    Key,
    boolean,
    closed,
    none_of_it,
    numeric,
    one_of,
    only,
    real,
    refused,
    share,
    text,
    whole,
    word,
)
from emu.quantize.amct.text import Value

Table = Mapping[str, Key]

# Ratios of a search go no further in a recipe.
_WIDEST: Final = 4.0

_OFFSET: Final[Mapping[Value, object]] = {True: "asymmetric", False: "symmetric"}
_PER_CHANNEL: Final[Mapping[Value, object]] = {True: "per-channel", False: "per-tensor"}
_PERCENTILES: Final = MappingProxyType(
    {"PERCENTILE_HIGH": 1.0, "PERCENTILE_MID": 0.99999}
)
_NO_ADA: Final = "emu has no AdaRound; arq_quantize or nuq_quantize"
_NO_FUSION_LIST: Final = "emu folds every batch norm that follows a convolution"
_NO_TENSORS: Final = (
    "inputs of MaxPool and Add are quantized where the target runs these in integers"
)

ALGORITHMS: Final[Mapping[Value, object]] = {"ifmr": "ifmr", "hfmg": "hfmg"}
# Keys of `activation_quant_params` that belong to one algorithm.
OF_ALGORITHM: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ifmr": (
            "max_percentile",
            "min_percentile",
            "start_ratio",
            "end_ratio",
            "step_ratio",
        ),
        "hfmg": ("num_of_bins",),
    }
)


def _search_range(value: Value) -> Mapping[str, object]:
    expected = f"[start, end] with 0 < start < end <= {_WIDEST:g}"
    numbers = value if isinstance(value, tuple) else ()
    if len(numbers) != 2 or not all(type(n) in (int, float) for n in numbers):
        raise ValueError(expected)
    start, end = (float(n) for n in numbers if isinstance(n, int | float))
    if not 0 < start < end <= _WIDEST:
        raise ValueError(expected)
    return {"start_ratio": start, "end_ratio": end}


ACTIVATION: Final[Table] = {
    "act_algo": Key(give=one_of("method", ALGORITHMS)),
    "max_percentile": Key(give=share("max_percentile")),
    "min_percentile": Key(give=share("min_percentile")),
    "search_range": Key(give=_search_range),
    "search_step": Key(give=real("step_ratio", 0.0, _WIDEST)),
    "num_of_bins": Key(
        give=one_of("num_of_bins", {n: n for n in (1024, 2048, 4096, 8192)})
    ),
    "asymmetric": Key(give=one_of("activation", _OFFSET)),
    "num_bits": Key(give=one_of("activation_bits", {n: n for n in (4, 8, 16)})),
}

WEIGHTS: Final[Table] = {
    "wts_algo": Key(
        give=one_of("weight_method", {"arq_quantize": "max", "nuq_quantize": "nuq"})
    ),
    "channel_wise": Key(give=one_of("weights", _PER_CHANNEL)),
    "num_bits": Key(give=one_of("weight_bits", {n: n for n in (4, 6, 7, 8)})),
    "num_steps": Key(give=one_of("num_steps", {16: 16, 32: 32})),
    "num_of_iteration": Key(give=whole("num_of_iteration", 0, 5)),
    "num_iteration": Key(give=refused(_NO_ADA)),
    "reg_param": Key(give=refused(_NO_ADA)),
    "beta_range": Key(give=refused(_NO_ADA)),
    "warm_start": Key(give=refused(_NO_ADA)),
}

# AMCT's defaults of what a file says of an input.
DEFAULTS: Final[Mapping[str, object]] = {
    "method": "ifmr",
    "max_percentile": 0.999999,
    "min_percentile": 0.999999,
    "start_ratio": 0.7,
    "end_ratio": 1.3,
    "step_ratio": 0.01,
    "num_of_bins": 4096,
    "activation": "asymmetric",
    "activation_bits": 8,
}

# What an override of the simplified form means where it says nothing.
UNSAID: Final[Mapping[str, object]] = {
    **{k: v for k, v in DEFAULTS.items() if not k.startswith("activation")},
    "weight_method": "max",
    "weight_bits": 8,
    "migration_strength": None,
}

# What stands under a layer's name in the JSON form.
LAYER: Final[Table] = {
    "quant_enable": Key(give=one_of("execute", {True: "integer", False: "float"})),
    "dmq_balancer_param": Key(give=closed("migration_strength", 0.2, 0.8)),
    "activation_quant_params": Key(inside=ACTIVATION),
    "weight_quant_params": Key(inside=WEIGHTS),
}

_JOINT: Final = "operands of sums keep scales of their own"

# Beside the layers, in the JSON form.
JSON: Final[Table] = {
    "version": Key(give=only(1, "the only version there is")),
    "batch_num": Key(give=whole("batch_num", 1)),
    "activation_offset": Key(give=one_of("activation", _OFFSET)),
    "joint_quant": Key(give=only(False, _JOINT)),
    "weight_offset": Key(give=only(False, "weights have no offset")),
    "do_fusion": Key(give=only(True, _NO_FUSION_LIST)),
    "skip_fusion_layers": Key(give=none_of_it(_NO_FUSION_LIST)),
    "fakequant_precision_mode": Key(give=only("DEFAULT", "scales are float32")),
    "tensor_quantize": Key(give=none_of_it(_NO_TENSORS)),
}

_SUPER: Final[Table] = {
    "max_percentile": Key(give=share("max_percentile", _PERCENTILES)),
    "min_percentile": Key(give=share("min_percentile", _PERCENTILES)),
    "start_ratio": Key(give=real("start_ratio", 0.0, _WIDEST)),
    "end_ratio": Key(give=real("end_ratio", 0.0, _WIDEST)),
    "step_ratio": Key(give=real("step_ratio", 0.0, _WIDEST)),
}
_PREPROCESS: Final[Table] = {
    "input_type": Key(give=word("IMAGE", "BINARY")),
    "image_format": Key(give=text),
    "input_file_path": Key(give=text),
    "mean_value": Key(give=numeric, repeated=True),
    "standard_deviation": Key(give=numeric, repeated=True),
}

OLD: Final[Table] = {
    "device": Key(give=text, ignored="emu runs where it is started"),
    "quantize_algo": Key(
        give=one_of(
            "activation", {"HALF_OFFSET": "asymmetric", "NON_OFFSET": "symmetric"}
        )
    ),
    "weight_type": Key(
        give=one_of(
            "weights", {"VECTOR_TYPE": "per-channel", "SCALAR_TYPE": "per-tensor"}
        )
    ),
    "bin": Key(give=whole("bin", 100, 250, zero=150)),
    "type": Key(give=one_of("method", {"KL": "kl", "SYMKL": "symkl", "JSD": "jsd"})),
    "batch_count": Key(give=whole("batch_count", 1)),
    "super_parameter": Key(inside=_SUPER),
    **_SUPER,
    "exclude_op": Key(give=text, repeated=True),
    "inference_with_data_quantized": Key(
        give=boolean, ignored="ranges are those of the float model"
    ),
    "inference_with_weight_quantized": Key(
        give=boolean, ignored="ranges are those of the float model"
    ),
    "preprocess_parameter": Key(
        inside=_PREPROCESS,
        repeated=True,
        ignored="preprocessing is the model entry's, calibration data is --calib's",
    ),
}


def _bits(name: str) -> Key:
    return Key(give=one_of(name, {"INT8": 8, "INT16": 16}))


_CALIBRATION: Final[Table] = {
    "arq_quantize": Key(
        inside={
            "channel_wise": Key(give=one_of("weights", _PER_CHANNEL)),
            "quant_bits": Key(give=one_of("weight_bits", {n: n for n in (6, 7, 8)})),
        },
        implies={"weight_method": "max"},
    ),
    "nuq_quantize": Key(
        inside={
            "num_steps": Key(give=one_of("num_steps", {16: 16, 32: 32})),
            "num_of_iteration": Key(give=whole("num_of_iteration", 0, 5)),
        },
        implies={"weight_method": "nuq"},
    ),
    "ada_quantize": Key(give=refused(_NO_ADA)),
    "ifmr_quantize": Key(
        inside={
            "search_range_start": Key(give=real("start_ratio", 0.0, _WIDEST)),
            "search_range_end": Key(give=real("end_ratio", 0.0, _WIDEST)),
            "search_step": Key(give=real("step_ratio", 0.0, _WIDEST)),
            "max_percentile": Key(give=share("max_percentile")),
            "min_percentile": Key(give=share("min_percentile")),
            "asymmetric": Key(give=one_of("activation", _OFFSET)),
            "dst_type": _bits("activation_bits"),
        },
        implies={"method": "ifmr"},
    ),
    "hfmg_quantize": Key(
        inside={
            "num_of_bins": ACTIVATION["num_of_bins"],
            "asymmetric": Key(give=one_of("activation", _OFFSET)),
            "dst_type": _bits("activation_bits"),
        },
        implies={"method": "hfmg"},
    ),
    "dmq_balancer": Key(
        inside={"migration_strength": Key(give=closed("migration_strength", 0.2, 0.8))},
        implies={"migration_strength": 0.5},
    ),
}
_OVERRIDDEN: Final = Key(inside=_CALIBRATION)

CFG: Final[Table] = {
    "version": Key(give=only(1, "the only version there is")),
    "batch_num": JSON["batch_num"],
    "activation_offset": JSON["activation_offset"],
    "joint_quant": JSON["joint_quant"],
    "do_fusion": JSON["do_fusion"],
    "skip_fusion_layers": Key(give=refused(_NO_FUSION_LIST), repeated=True),
    "fakequant_precision_mode": Key(give=refused("scales are float32")),
    "tensor_quantize": Key(give=refused(_NO_TENSORS), repeated=True),
    "nuq_config": Key(give=refused("nuq_quantize names the layers")),
    "enable_auto_nuq": Key(give=only(False, "nuq_quantize names the layers")),
    "skip_approximation_layers": Key(
        give=text, repeated=True, ignored="emu approximates no layer"
    ),
    "skip_layers": Key(give=text, repeated=True),
    "skip_layer_types": Key(give=text, repeated=True),
    "common_config": Key(inside=_CALIBRATION),
    "override_layer_types": Key(
        inside={"layer_type": Key(give=text), "calibration_config": _OVERRIDDEN},
        repeated=True,
    ),
    "override_layer_configs": Key(
        inside={"layer_name": Key(give=text), "calibration_config": _OVERRIDDEN},
        repeated=True,
    ),
}

# A layer type in AMCT's words for several frameworks -> in emu's.
TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("Conv", "Conv2d", "Conv2D", "Convolution", "DepthwiseConv2dNative"), "Conv"
        ),
        **dict.fromkeys(("Gemm", "Linear", "InnerProduct", "MatMul"), "Gemm"),
        **dict.fromkeys(
            ("ConvTranspose", "ConvTranspose2d", "Deconvolution"), "ConvTranspose"
        ),
        **dict.fromkeys(
            ("AveragePool", "AvgPool2d", "AvgPool", "Pooling"), "AveragePool"
        ),
    }
)
