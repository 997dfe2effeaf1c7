#!/usr/bin/env bash
# The TOSA conformance tests: generated, computed by the reference model, run by emu.
#   ci/conformance.sh [--seed N] [--all]
# EMU_TOSA_VENV: where the tools are, or are to be, installed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${EMU_TOSA_VENV:-build/tosa-venv}
if ! cmp --silent ci/tosa-requirements.txt "$venv/installed.txt"; then
  python3 -m venv "$venv"
  # Its own versions, whatever emu itself is constrained to.
  PIP_CONSTRAINT='' "$venv/bin/pip" install --quiet --disable-pip-version-check \
    -r ci/tosa-requirements.txt
  cp ci/tosa-requirements.txt "$venv/installed.txt"
fi
# Each program runs once: compiling it is nearly all of the time. Bits do not depend
# on this flag (a contract of emu).
export XLA_FLAGS=${XLA_FLAGS:---xla_backend_optimization_level=0}
exec python3 ci/tosa_conformance.py --tools "$venv/bin" "$@"
