"""Settings for the whole test suite: strict JAX promotion, hypothesis profiles."""

import os

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci", settings.get_profile("ci"), max_examples=300, deadline=None
)
settings.register_profile(
    "nightly", max_examples=20_000, deadline=None, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture
def x64():
    """64-bit types inside the test only, as `execute` opens them for a program."""
    with jax.enable_x64(True):
        yield
