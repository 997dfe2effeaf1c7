#!/usr/bin/env bash
# The only definition of green: format, lint, types, tests. Everybody runs this one.
set -euo pipefail
cd "$(dirname "$0")/.."

ruff format --check .
ruff check .
pyright
pytest -n auto
