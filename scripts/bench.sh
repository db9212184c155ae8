#!/usr/bin/env bash
# The panel beside its peers and floors, in turns in one run: docs/performance.md. Arguments go to the program, as
# `scripts/bench.sh -rows 1,5 -json`. Nothing here fails on a time.
set -euo pipefail
cd "$(dirname "$0")/.."
exec go run ./scripts/bench "$@"
