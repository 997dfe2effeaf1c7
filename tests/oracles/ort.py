"""ONNX Runtime as an oracle for its own quantized operators (domain com.microsoft)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

Array = np.ndarray[Any, Any]

OPSETS = {"": 21, "com.microsoft": 1}


def qlinear(
    operator: str,
    inputs: Sequence[tuple[str, Array | None]],
    x: Mapping[str, Array],
    out_dtype: str,
    **attributes: Any,
) -> Array:
    """One com.microsoft operator: `x` holds its inputs by name, the rest constants.

    None among the inputs is an operand left out.
    """
    constants = {
        name: values for name, values in inputs if name not in x and values is not None
    }
    node = helper.make_node(
        operator,
        [name if name in x or name in constants else "" for name, _ in inputs],
        ["y"],
        domain="com.microsoft",
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        operator,
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(values.dtype), values.shape
            )
            for name, values in x.items()
        ],
        [
            helper.make_tensor_value_info(
                "y", helper.np_dtype_to_tensor_dtype(np.dtype(out_dtype)), None
            )
        ],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, number) for domain, number in OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, dict(x))[0])
