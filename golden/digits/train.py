"""Build the embedded digits classifier: split the data, train in JAX, export to ONNX.

    python golden/digits/train.py            write digits.npz, digits.onnx, manifest.json
    python golden/digits/train.py --check    rebuild elsewhere, compare with the manifest

The network is small but has one of most things: a plain, a depthwise, a pointwise and
a strided convolution, each with a BatchNormalization that stays a node of its own, Relu
and Clip, a residual Add, MaxPool, GlobalAveragePool, Flatten, Gemm and Softmax.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import optax
from jaxtyping import Array, Float, Float32, Int64, PRNGKeyArray, UInt8
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED: Final = 20240229
TEST_SAMPLES: Final = 600
CLASSES: Final = 10
PIXEL_MAX: Final = 16

EPOCHS: Final = 40
BATCH: Final = 63
PEAK_LEARNING_RATE: Final = 4e-3
WEIGHT_DECAY: Final = 1e-3
MAX_SHIFT: Final = 1
BN_EPSILON: Final = 1e-5

OPSET: Final = 17
IR_VERSION: Final = 8
PRODUCER: Final = "emu golden/digits/train.py"

LEAST_TOP1: Final = 0.97
BAND_POINTS: Final = 1.0
MAX_PROBABILITY_ERROR: Final = 1e-4

HERE: Final = Path(__file__).resolve().parent
DATA_FILE: Final = "digits.npz"
MODEL_FILE: Final = "digits.onnx"
MANIFEST_FILE: Final = "manifest.json"
PACKAGES: Final = ("jax", "numpy", "onnx", "onnxruntime", "optax", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """One convolution without bias; its BatchNormalization is named `bn`."""

    ci: int
    co: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bn: str

    @property
    def pad(self) -> int:
        """Zeros on each side, so that stride 1 keeps height and width."""
        return self.kernel // 2


CONVS: Final[Mapping[str, Conv]] = MappingProxyType(
    {
        "conv1": Conv(ci=1, co=16, kernel=3, bn="bn1"),
        "depthwise2": Conv(ci=16, co=16, kernel=3, groups=16, bn="bn2"),
        "pointwise3": Conv(ci=16, co=32, kernel=1, bn="bn3"),
        "conv4a": Conv(ci=32, co=32, kernel=3, bn="bn4a"),
        "conv4b": Conv(ci=32, co=32, kernel=3, bn="bn4b"),
        "conv5": Conv(ci=32, co=48, kernel=3, stride=2, bn="bn5"),
    }
)

Params: TypeAlias = dict[str, dict[str, Array]]
Stats: TypeAlias = dict[str, tuple[Array, Array]]


def split_digits() -> dict[str, np.ndarray]:
    """The digits in two parts, split at random, each class in proportion.

    Returns:
        For each part in (train, test): `x_part` uint8 [n, 8, 8], counts 0..16;
        `y_part` int64 [n], the digit; `id_part` int64 [n], ascending, the index in
        `load_digits()`.
    """
    data, target = load_digits(return_X_y=True)
    pixels = np.asarray(data).astype(np.uint8).reshape(-1, 8, 8)
    labels = np.asarray(target).astype(np.int64)
    parts = train_test_split(
        np.arange(len(labels), dtype=np.int64),
        test_size=TEST_SAMPLES,
        random_state=SEED,
        stratify=labels,
    )
    arrays: dict[str, np.ndarray] = {}
    for part, ids in zip(("train", "test"), map(np.sort, parts), strict=True):
        arrays |= {f"x_{part}": pixels[ids], f"y_{part}": labels[ids]}
        arrays[f"id_{part}"] = ids
    return arrays


def model_input(pixels: UInt8[np.ndarray, "n 8 8"]) -> Float32[np.ndarray, "n 1 8 8"]:
    """Pixel / 16 in NCHW: the preprocessing that stays outside of the model."""
    return pixels[:, None].astype(np.float32) / np.float32(PIXEL_MAX)


def initial_params(key: PRNGKeyArray) -> Params:
    """He-normal weights, BatchNormalizations that change nothing."""
    params: Params = {}
    he_normal = jax.nn.initializers.he_normal(in_axis=1, out_axis=0)
    for name, conv in CONVS.items():
        key, own = jax.random.split(key)
        shape = (conv.co, conv.ci // conv.groups, conv.kernel, conv.kernel)
        params[name] = {
            "weight": he_normal(own, shape, jnp.float32),
            "gamma": jnp.ones(conv.co),
            "beta": jnp.zeros(conv.co),
        }
    params["dense"] = {
        "weight": he_normal(key, (CLASSES, CONVS["conv5"].co), jnp.float32),
        "bias": jnp.zeros(CLASSES),
    }
    return params


def forward(
    params: Params, x: Float[Array, "n 1 8 8"], stats: Stats | None = None
) -> tuple[Float[Array, "n 10"], Stats]:
    """Logits, and the mean and variance that each BatchNormalization used.

    Args:
        params: As `initial_params` makes them.
        x: Model input, float32 [n, 1, 8, 8].
        stats: Mean and variance per convolution; None takes those of this batch.
    """
    used: Stats = {}

    def conv_bn(name: str, x: Array) -> Array:
        conv, own = CONVS[name], params[name]
        y = jax.lax.conv_general_dilated(
            x,
            own["weight"],
            window_strides=(conv.stride, conv.stride),
            padding=[(conv.pad, conv.pad)] * 2,
            dimension_numbers=("NCHW", "OIHW", "NCHW"),
            feature_group_count=conv.groups,
        )
        axes = (0, 2, 3)
        mean, variance = stats[name] if stats else (y.mean(axes), y.var(axes))
        used[name] = (mean, variance)
        factor = own["gamma"] / jnp.sqrt(variance + BN_EPSILON)
        shift = own["beta"] - mean * factor
        return y * factor[None, :, None, None] + shift[None, :, None, None]

    x = jax.nn.relu(conv_bn("conv1", x))
    x = jnp.clip(conv_bn("depthwise2", x), 0, 6)
    x = jax.nn.relu(conv_bn("pointwise3", x))
    inner = jax.nn.relu(conv_bn("conv4a", x))
    x = jax.nn.relu(conv_bn("conv4b", inner) + x)
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))
    x = jax.nn.relu(conv_bn("conv5", x))
    dense = params["dense"]
    return x.mean((2, 3)) @ dense["weight"].T + dense["bias"][None, :], used


def shift_at_random(
    key: PRNGKeyArray, x: Float[Array, "n 1 8 8"]
) -> Float[Array, "n 1 8 8"]:
    """Move each image by up to MAX_SHIFT pixels in both directions, zeros enter."""
    margin = (MAX_SHIFT, MAX_SHIFT)
    padded = jnp.pad(x, ((0, 0), (0, 0), margin, margin))
    corners = jax.random.randint(key, (len(x), 2), 0, 2 * MAX_SHIFT + 1)
    return jax.vmap(
        lambda image, at: jax.lax.dynamic_slice(image, (0, at[0], at[1]), x.shape[1:])
    )(padded, corners)


def train(
    x: Float32[np.ndarray, "n 1 8 8"], y: Int64[np.ndarray, " n"]
) -> tuple[Params, Stats]:
    """Train on shifted images; returns parameters and BatchNormalization statistics.

    The statistics are those of the unshifted training set under the final parameters,
    so no moving average is kept. The test part has no say in anything here.
    """
    steps = len(x) // BATCH
    rate = optax.cosine_onecycle_schedule(EPOCHS * steps, PEAK_LEARNING_RATE)
    optimizer = optax.adamw(rate, weight_decay=WEIGHT_DECAY)

    def loss(params: Params, x: Array, y: Array) -> Array:
        logits, _ = forward(params, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    # One call per step: XLA runs convolutions inside a scan ten times slower on a CPU.
    @jax.jit
    def step(
        params: Params, state: optax.OptState, key: PRNGKeyArray, x: Array, y: Array
    ) -> tuple[Params, optax.OptState, Array]:
        value, slope = jax.value_and_grad(loss)(params, shift_at_random(key, x), y)
        change, state = optimizer.update(slope, state, params)
        return cast("Params", optax.apply_updates(params, change)), state, value

    key, own = jax.random.split(jax.random.key(SEED))
    params = initial_params(own)
    state, value = optimizer.init(params), jnp.inf
    order = np.random.default_rng(SEED)
    for epoch in range(1, EPOCHS + 1):
        for batch in order.permutation(len(x))[: steps * BATCH].reshape(steps, BATCH):
            key, own = jax.random.split(key)
            params, state, value = step(params, state, own, x[batch], y[batch])
        if epoch % 10 == 0:
            print(f"epoch {epoch} of {EPOCHS}: loss {float(value):.4f}")
    return params, forward(params, jnp.asarray(x))[1]


def to_onnx(params: Params, stats: Stats) -> onnx.ModelProto:
    """The trained network as ONNX: input `image` [N, 1, 8, 8], output `probability`."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def weight(name: str, value: Array | float) -> str:
        array = np.asarray(value, dtype=np.float32)
        weights.append(numpy_helper.from_array(array, name))
        return name

    def node(op_type: str, name: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        output = "probability" if op_type == "Softmax" else f"{name}_out"
        nodes.append(
            helper.make_node(op_type, list(inputs), [output], name=name, **attributes)
        )
        return output

    def conv_bn(name: str, x: str) -> str:
        conv, own, bn = CONVS[name], params[name], CONVS[name].bn
        y = node(
            "Conv",
            name,
            x,
            weight(f"{name}.weight", own["weight"]),
            kernel_shape=[conv.kernel] * 2,
            strides=[conv.stride] * 2,
            pads=[conv.pad] * 4,
            group=conv.groups,
        )
        mean, variance = stats[name]
        return node(
            "BatchNormalization",
            bn,
            y,
            weight(f"{bn}.gamma", own["gamma"]),
            weight(f"{bn}.beta", own["beta"]),
            weight(f"{bn}.mean", mean),
            weight(f"{bn}.variance", variance),
            epsilon=BN_EPSILON,
        )

    x = node("Relu", "relu1", conv_bn("conv1", "image"))
    low, high = weight("clip2.min", 0.0), weight("clip2.max", 6.0)
    x = node("Clip", "clip2", conv_bn("depthwise2", x), low, high)
    x = node("Relu", "relu3", conv_bn("pointwise3", x))
    inner = node("Relu", "relu4a", conv_bn("conv4a", x))
    x = node("Relu", "relu4", node("Add", "add4", conv_bn("conv4b", inner), x))
    x = node("MaxPool", "maxpool4", x, kernel_shape=[2, 2], strides=[2, 2])
    x = node("Relu", "relu5", conv_bn("conv5", x))
    x = node("Flatten", "flatten", node("GlobalAveragePool", "pool5", x), axis=1)
    dense = params["dense"]
    w, b = (weight(f"dense.{part}", dense[part]) for part in ("weight", "bias"))
    node("Softmax", "softmax", node("Gemm", "dense", x, w, b, transB=1), axis=1)

    def tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

    graph = helper.make_graph(
        nodes,
        "digits",
        [tensor("image", "N", 1, 8, 8)],
        [tensor("probability", "N", CLASSES)],
        weights,
    )
    model = helper.make_model(
        graph,
        producer_name=PRODUCER,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def count_correct(
    model: Path,
    params: Params,
    stats: Stats,
    x: Float32[np.ndarray, "n 1 8 8"],
    y: Int64[np.ndarray, " n"],
) -> int:
    """Top-1 count by ONNX Runtime of the file; exits unless JAX gives the same."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    by_onnx = np.asarray(session.run(None, {"image": x})[0])
    by_jax = np.asarray(jax.nn.softmax(forward(params, jnp.asarray(x), stats)[0]))
    counts = [int((p.argmax(1) == y).sum()) for p in (by_onnx, by_jax)]
    error = float(np.abs(by_onnx - by_jax).max())
    print(
        f"Top-1: ONNX Runtime {counts[0]}, JAX {counts[1]} of {len(y)};"
        f" largest difference of a probability {error:.1e}"
    )
    if counts[0] != counts[1] or error > MAX_PROBABILITY_ERROR:
        raise SystemExit(f"{model}: ONNX Runtime and JAX disagree")
    if counts[0] < LEAST_TOP1 * len(y):
        raise SystemExit(f"{model}: Top-1 is below {LEAST_TOP1:.0%}")
    return counts[0]


def build(folder: Path) -> dict[str, Any]:
    """Write the data and the model to `folder`; returns the manifest."""
    split = split_digits()
    np.savez_compressed(folder / DATA_FILE, allow_pickle=False, **split)
    start = time.perf_counter()
    params, stats = train(model_input(split["x_train"]), split["y_train"])
    print(f"trained in {time.perf_counter() - start:.0f} s")
    model_path = folder / MODEL_FILE
    model = to_onnx(params, stats)
    model_path.write_bytes(model.SerializeToString(deterministic=True))
    x, y = model_input(split["x_test"]), split["y_test"]
    correct = count_correct(model_path, params, stats, x, y)
    return {
        "files": {name: file_facts(folder / name) for name in (DATA_FILE, MODEL_FILE)},
        "recipe": {
            "script": "golden/digits/train.py",
            "seed": SEED,
            "versions": {name: version(name) for name in PACKAGES},
        },
        "top1_correct": correct,
        "n": len(y),
        "band": f"within {BAND_POINTS} point of top1_correct",
        "band_points": BAND_POINTS,
    }


def file_facts(path: Path) -> dict[str, Any]:
    """Size and digest of a file."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def check() -> None:
    """Rebuild in a temporary folder; exits with 1 unless it agrees with the manifest.

    The data must be equal array for array (the deflated bytes may differ between
    versions of zlib), the Top-1 of the new model must lie within the band.
    """
    stated = json.loads((HERE / MANIFEST_FILE).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        built = build(Path(name))
        with (
            np.load(HERE / DATA_FILE, allow_pickle=False) as old,
            np.load(Path(name) / DATA_FILE, allow_pickle=False) as new,
        ):
            same_names = sorted(old.files) == sorted(new.files)
            if not (same_names and all(np.array_equal(old[k], new[k]) for k in old)):
                raise SystemExit(f"{HERE / DATA_FILE}: a rebuild gives other data")
    points = 100 * (built["top1_correct"] - stated["top1_correct"]) / stated["n"]
    verdict = f"Top-1 {built['top1_correct']}, manifest {stated['top1_correct']}"
    if abs(points) > stated["band_points"]:
        raise SystemExit(f"{verdict}: {points:+.2f} points is outside of the band")
    print(f"{verdict}: {stated['band']}")


def main() -> None:
    """Build in place, or check that a rebuild agrees."""
    parser = argparse.ArgumentParser(description="Build the embedded digits classifier")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    arguments = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    if arguments.check:
        check()
        return
    text = json.dumps(build(HERE), indent=2, sort_keys=True) + "\n"
    (HERE / MANIFEST_FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
