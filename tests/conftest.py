"""Settings for the whole test suite: strict JAX promotion, hypothesis profiles."""

import gc
import os
from pathlib import Path

import jax
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Shapes are checked at run time, in the modules that state any; pyright checks the types
# of all. Not by jaxtyping's option: it wants to come before the plugin of emu, which
# every pytest loads first where emu is installed.
SOURCE = Path(__file__).parent.parent / "emu"
install_import_hook(
    [
        ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts)
        for file in SOURCE.rglob("*.py")
        if "from jaxtyping import" in file.read_text()
    ],
    "beartype.beartype",
)

# Tracing makes many objects that live long; looking through them again and again was a
# seventh of the time.
gc.set_threshold(200_000, 50, 100)

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Compiling is most of the time: what one test compiled serves the others, of the other
# workers and of the next run too.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    cache = Path(__file__).parent.parent / "build" / "jax-cache"
    jax.config.update("jax_compilation_cache_dir", str(cache))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# Rooms whose tests compile much and compute little. The compiler does not optimize there:
# their integers do not depend on it, as the rooms of the kernels show, where it does.
UNOPTIMIZED = {
    "cli",
    "compare",
    "evaluate",
    "frontends",
    "graph",
    "optimize",
    "quantize",
    "targets",
}

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci", settings.get_profile("ci"), max_examples=100, deadline=None
)
settings.register_profile(
    "nightly", max_examples=20_000, deadline=None, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the compiler optimize, or not, what this test and its fixtures compile."""
    room = item.path.relative_to(Path(__file__).parent).parent.as_posix().split("/")[0]
    jax.config.update("jax_disable_most_optimizations", room in UNOPTIMIZED)


@pytest.fixture
def x64():
    """64-bit types inside the test only, as `execute` opens them for a program."""
    with jax.enable_x64(True):
        yield
