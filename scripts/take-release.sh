#!/usr/bin/env bash
# Packs what outlives an upgrade of the daemon for the tests of the next version: see test/golden/released/README.md.
# usage: scripts/take-release.sh VERSION [DIR]    (DIR: where cargo put the release build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 1 ] || { echo "usage: scripts/take-release.sh VERSION [DIR]" >&2; exit 2; }
version=$1
from=${2:-${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release}
to=test/golden/released/$version
mkdir -p "$to"
for program in viv-agent viv-launcher; do
  xz -9e -c "$from/$program" > "$to/$program.xz"
done
(cd "$from" && sha256sum viv-agent viv-launcher) > "$to/SHA256SUMS"
ls -l "$to"
