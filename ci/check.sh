#!/usr/bin/env bash
# The only definition of green: format, lint, types, tests. Everybody runs this one.
# --static leaves the tests out, for whoever has just run them.
set -euo pipefail
cd "$(dirname "$0")/.."

ruff format --check .
ruff check .
pyright
if [ "${1:-}" != --static ]; then
  pytest -n auto
fi
