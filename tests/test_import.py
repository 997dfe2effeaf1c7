"""Importing emu, all of it, changes nothing of the caller's JAX."""

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, warnings
import jax
before = dict(jax.config.values)
import emu
names = [m.name for m in pkgutil.walk_packages(emu.__path__, "emu.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
after = dict(jax.config.values)
changed = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
assert not changed, changed
assert "emu.ops.conv" in names and "emu.graph.serialize" in names
import jax.numpy as jnp
assert jnp.zeros(1).dtype == "float32"
warnings.simplefilter("ignore")
assert jnp.zeros(1, "int64").dtype == "int32"
"""


def run(script: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def test_importing_every_module_leaves_the_jax_configuration():
    run(SCRIPT)


def test_inferring_shapes_leaves_the_jax_configuration():
    run(
        "import jax\n"
        "before = dict(jax.config.values)\n"
        "from emu import ops\n"
        "from emu.graph import Tensor, infer\n"
        "x = Tensor(shape=(None, 4), dtype='int8')\n"
        "infer(ops.ReduceSum(axes=(1,)), [x], 'node')\n"
        "assert dict(jax.config.values) == before\n"
        "assert not jax.config.read('jax_enable_x64')\n"
    )
