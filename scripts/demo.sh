#!/usr/bin/env bash
# Runs one container in a real VM, shows what it printed and how long each phase took, and leaves nothing running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$(mktemp -d /tmp/viv-demo-XXXXXX)
export VIVARIUM_HOST="unix:$root/run/vivd.sock"
say() { printf '==> %s\n' "$*"; }

finish() {
  local status=$?
  if [ -S "$root/run/vivd.sock" ]; then
    bin/viv sandbox ls -q | while read -r id; do bin/viv sandbox rm -f "$id" >/dev/null || true; done
  fi
  bin/viv daemon stop >/dev/null 2>&1 || true
  if [ "$status" -ne 0 ] && [ -f "$root/lib/vivd.log" ]; then
    echo "the daemon's last words:" >&2
    tail -n 20 "$root/lib/vivd.log" >&2
  fi
  rm -rf "$root"
  exit "$status"
}
trap finish EXIT

say "starting the daemon (state in $root)"
bin/viv daemon start --root "$root/lib" --run "$root/run" --metrics none

say "running a container in a virtual machine"
printf 'hello from the host\n' | bin/viv run --rm -i --timings --name demo busybox -- sh -c '
  echo "guest kernel:   $(uname -sr)"
  echo "container id:   $container_uuid"
  echo "processors:     $(nproc)"
  echo "memory:         $(awk "/MemTotal/ { print int(\$2 / 1024) \" MiB\" }" /proc/meminfo)"
  read -r line
  echo "stdin said:     $line"
'

say "what is left of it: $(bin/viv sandbox ls -q | wc -l) sandboxes, $(pgrep -fc "qemu-system.*$root" || true) VMs"
bin/viv daemon stop
say "done"
