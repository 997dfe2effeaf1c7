"""How many examples hypothesis draws where every one runs a compiled function."""

from hypothesis import settings

# For a test that is there once for each of many modes: each draws its own, so that
# together they still see more than the examples of one test.
FEWER = settings(max_examples=settings().max_examples // 3)
