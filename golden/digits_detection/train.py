"""Build the embedded detector: compose scenes, train in JAX, export to ONNX.

    python golden/digits_detection/train.py            write the model and manifest.json
    python golden/digits_detection/train.py --check    rebuild elsewhere, compare

What the outputs mean, and the data, is what suites/models and suites/datasets say.
"""

import argparse
import hashlib
import json
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import optax
from jaxtyping import Array, Bool, Float, Int
from network import Params, Stats, forward, initial_params, to_onnx

from emu.evaluate import (
    Dataset,
    ModelEntry,
    load_dataset_entry,
    load_model_entry,
    open_entry,
)
from emu.evaluate.detect.cells import cells
from emu.evaluate.detect.retinanet import Retinanet, retinanet
from emu.evaluate.session import evaluate_outputs

SEED: Final = 20240229
SCENES: Final = 12_000
EPOCHS: Final = 10
BATCH: Final = 16
STATS_SCENES: Final = 512
PEAK_LEARNING_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 1e-3

# Boxes up to this side belong to the finer level.
FINE_SIDE: Final = 32.0
# Cells are an object's if their centre is in the middle of its box: so much of a side
# from the box's centre, or half a stride, so that there is always one.
MIDDLE: Final = 0.3
BOX_WEIGHT: Final = 2.0

LEAST_MAP: Final = 0.70
BAND_POINTS: Final = 1.5
MAX_ERROR: Final = 1e-3

HERE: Final = Path(__file__).resolve().parent
SUITES: Final = HERE.parents[1] / "suites"
MODEL_FILE: Final = "digits_detection.onnx"
MANIFEST_FILE: Final = "manifest.json"
PACKAGES: Final = ("jax", "numpy", "onnx", "onnxruntime", "optax")


def open_data(name: str, **changes: int) -> Dataset:
    """A dataset of suites/datasets, with other keys."""
    entry = load_dataset_entry(SUITES / "datasets" / f"{name}.toml")
    return open_entry(entry.model_copy(update=changes), name=name)


def model_input(
    entry: ModelEntry, data: Dataset, rows: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "n 1 96 96"]:
    """What the entry's preprocessing makes of these scenes."""
    return np.stack([entry.preprocess.apply(data.load(int(row))) for row in rows])


def padded_objects(
    data: Dataset,
) -> tuple[Float[np.ndarray, "n m 4"], Int[np.ndarray, "n m"]]:
    """Boxes and classes of all scenes; class -1 fills up."""
    most = max(len(objects.classes) for objects in data.objects or ())
    boxes = np.zeros((len(data), most, 4), np.float32)
    classes = np.full((len(data), most), -1, np.int32)
    for row, objects in enumerate(data.objects or ()):
        boxes[row, : len(objects.boxes)] = objects.boxes
        classes[row, : len(objects.classes)] = objects.classes
    return boxes, classes


def assigned(
    decoder: Retinanet, boxes: Float[Array, "n m 4"], classes: Int[Array, "n m"]
) -> tuple[Int[Array, "n a"], Bool[Array, "n a"]]:
    """Which object each cell is to find, and whether it is to find one at all.

    Of several objects that claim a cell the smallest gets it.
    """
    grid = cells(decoder.size, decoder.strides)
    stride = jnp.asarray(grid[:, 2], jnp.float32)[None, None, :]
    centre = jnp.asarray(grid[:, :2] + decoder.offset, jnp.float32)[None, None]
    side = boxes[..., 2:] - boxes[..., :2]
    middle = (boxes[..., 2:] + boxes[..., :2]) / 2
    away = jnp.abs(centre * stride[..., None] - middle[:, :, None])
    near = away <= jnp.maximum(MIDDLE * side[:, :, None], stride[..., None] / 2)
    fine = side.max(axis=-1) <= FINE_SIDE
    level = (stride == decoder.strides[0]) == fine[:, :, None]
    claims = near.all(axis=-1) & level & (classes >= 0)[:, :, None]
    area = jnp.where(claims, side.prod(axis=-1)[:, :, None], jnp.inf)
    return area.argmin(axis=1), claims.any(axis=1)


def overlaps(
    first: Float[Array, "n a 4"], second: Float[Array, "n a 4"]
) -> tuple[Float[Array, "n a"], Float[Array, "n a"]]:
    """IoU and generalized IoU (Rezatofighi et al., arXiv:1902.09630) box by box."""

    def area(low: Array, high: Array) -> Array:
        return jnp.maximum(high - low, 0).prod(axis=-1)

    low, high = first[..., :2], first[..., 2:]
    other_low, other_high = second[..., :2], second[..., 2:]
    shared = area(jnp.maximum(low, other_low), jnp.minimum(high, other_high))
    union = area(low, high) + area(other_low, other_high) - shared
    hull = area(jnp.minimum(low, other_low), jnp.maximum(high, other_high))
    iou = shared / jnp.maximum(union, 1e-6)
    return iou, iou - (hull - union) / jnp.maximum(hull, 1e-6)


def loss(
    params: Params,
    x: Float[Array, "n 1 96 96"],
    boxes: Float[Array, "n m 4"],
    classes: Int[Array, "n m"],
    decoder: Retinanet,
) -> Array:
    """Quality focal loss of the scores, generalized IoU of the boxes.

    A cell's score is to be the IoU of its own box, so that the better box of an object
    survives suppression (Li et al., Generalized Focal Loss, arXiv:2006.04388).
    """
    outputs, _ = forward(params, x)
    logits = jnp.concatenate([outputs[name] for name in decoder.scores], axis=1)
    raw = retinanet(decoder, *(outputs[name] for name in decoder.outputs()))
    which, claimed = assigned(decoder, boxes, classes)
    wanted = jnp.take_along_axis(boxes, which[..., None], axis=1)
    klass = jnp.take_along_axis(classes, which, axis=1)
    iou, giou = overlaps(raw.boxes, wanted)
    quality = jax.nn.one_hot(klass, logits.shape[-1]) * (claimed * iou)[..., None]
    quality = jax.lax.stop_gradient(quality)
    entropy = optax.sigmoid_binary_cross_entropy(logits, quality)
    focal = (quality - raw.scores) ** 2 * entropy
    return (focal.sum() + BOX_WEIGHT * ((1 - giou) * claimed).sum()) / claimed.sum()


def train(entry: ModelEntry, decoder: Retinanet, data: Dataset) -> tuple[Params, Stats]:
    """Train; returns parameters and BatchNormalization statistics.

    The statistics are those of the first scenes under the final parameters, so no
    moving average is kept. The test split has no say in anything here.
    """
    steps = len(data) // BATCH
    rate = optax.cosine_onecycle_schedule(EPOCHS * steps, PEAK_LEARNING_RATE)
    optimizer = optax.chain(
        optax.clip_by_global_norm(10.0), optax.adamw(rate, weight_decay=WEIGHT_DECAY)
    )

    # One call per step: XLA runs convolutions inside a scan ten times slower on a CPU.
    @jax.jit
    def step(
        params: Params, state: optax.OptState, x: Array, boxes: Array, classes: Array
    ) -> tuple[Params, optax.OptState, Array]:
        value, slope = jax.value_and_grad(loss)(params, x, boxes, classes, decoder)
        change, state = optimizer.update(slope, state, params)
        return cast("Params", optax.apply_updates(params, change)), state, value

    params = initial_params(jax.random.key(SEED))
    state = optimizer.init(params)
    order = np.random.default_rng(SEED)
    boxes, classes = padded_objects(data)
    for epoch in range(1, EPOCHS + 1):
        start, total = time.perf_counter(), 0.0
        for rows in order.permutation(len(data))[: steps * BATCH].reshape(steps, BATCH):
            x = model_input(entry, data, rows)
            params, state, value = step(params, state, x, boxes[rows], classes[rows])
            total += float(value)
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch} of {EPOCHS}: loss {total / steps:.4f}, {seconds:.0f} s",
            flush=True,
        )
    first = model_input(entry, data, np.arange(STATS_SCENES))
    return params, jax.jit(forward)(params, first)[1]


def measure(
    entry: ModelEntry, model: Path, params: Params, stats: Stats
) -> dict[str, int]:
    """Average precisions by ONNX Runtime; exits unless JAX gives the same outputs."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    by_jax = jax.jit(lambda x: forward(params, x, stats)[0])
    errors = []

    def predict(x: np.ndarray) -> dict[str, np.ndarray]:
        by_onnx = map(np.asarray, session.run(None, {"image": x}))
        found = dict(zip(names, by_onnx, strict=True))
        for name, value in by_jax(x).items():
            errors.append(float(np.abs(found[name] - value).max()))
        return found

    result = evaluate_outputs(predict, entry, open_data("digits_scenes_test"))
    counts = cast("dict[str, int]", result.counts())
    print(f"{counts}; largest difference of JAX and ONNX Runtime {max(errors):.1e}")
    if max(errors) > MAX_ERROR:
        raise SystemExit(f"{model}: ONNX Runtime and JAX disagree")
    if counts["map_ppm"] < LEAST_MAP * 1e6:
        raise SystemExit(f"{model}: mAP is below {LEAST_MAP}")
    return counts


def build(folder: Path) -> dict[str, Any]:
    """Write the model to `folder`; returns the manifest."""
    entry = load_model_entry(SUITES / "models" / "digits_detection.toml")
    decoder = cast("Retinanet", entry.decoder)
    data = open_data("digits_scenes_train", count=SCENES)
    start = time.perf_counter()
    params, stats = train(entry, decoder, data)
    print(f"trained in {time.perf_counter() - start:.0f} s")
    path = folder / MODEL_FILE
    path.write_bytes(to_onnx(params, stats).SerializeToString(deterministic=True))
    content = path.read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {
        "files": {MODEL_FILE: facts},
        "recipe": {
            "script": "golden/digits_detection/train.py",
            "seed": SEED,
            "versions": {name: version(name) for name in PACKAGES},
        },
        **measure(entry, path, params, stats),
        "band": f"within {BAND_POINTS} points of map_ppm / 10000",
        "band_points": BAND_POINTS,
    }


def check() -> None:
    """Rebuild in a temporary folder; exits with 1 if the mAP is outside of the band."""
    stated = json.loads((HERE / MANIFEST_FILE).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        built = build(Path(name))
    points = (built["map_ppm"] - stated["map_ppm"]) / 1e4
    verdict = f"mAP {built['map_ppm']}, manifest {stated['map_ppm']} millionths"
    if abs(points) > stated["band_points"]:
        raise SystemExit(f"{verdict}: {points:+.2f} points is outside of the band")
    print(f"{verdict}: {stated['band']}")


def main() -> None:
    """Build in place, or check that a rebuild agrees."""
    parser = argparse.ArgumentParser(description="Build the embedded detector")
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
