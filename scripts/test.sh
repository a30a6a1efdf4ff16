#!/usr/bin/env bash
# Sets up what is missing, then runs every test. Ends with: N passed, N failed, N skipped
# usage: scripts/test.sh [stage …]     (stages: lint unit rust integration system)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
exec node scripts/run-tests.mjs "$@"
