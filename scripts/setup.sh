#!/usr/bin/env bash
# Brings a fresh Debian 12 machine with Node 20, npm and cargo to where Vivarium runs. Safe to run again: each step looks first
# whether there is anything to do, and a run with nothing to do takes seconds.
#
#   scripts/setup.sh [--only STEP[,STEP…]]      steps: apt npm bundle cargo guest
#
# Environment: VIVARIUM_GUEST_DIR (where guests go, default build/guest), CARGO_TARGET_DIR, APT_LOCK_WAIT (seconds, default 300).
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
umask 022
export PATH="$PATH:${HOME:-/root}/.cargo/bin"

readonly STEPS="${2:-apt,npm,bundle,cargo,guest}"
readonly STAMPS=build/stamps
readonly TARGET="${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release"
readonly GUESTS="${VIVARIUM_GUEST_DIR:-build/guest}"
readonly APT_LOCK_WAIT="${APT_LOCK_WAIT:-300}"

# What each is for: the VMM and virtiofsd (qemu-system-*), their images and probes (qemu-utils), mounts and namespaces on the
# host (iproute2, util-linux), stripping modules and linking Rust (binutils, gcc), seccomp in the guest (libseccomp-dev),
# images as one read-only disk (erofs-utils) and disks to write to (e2fsprogs), kernels packed otherwise than by lz4 (xz-utils,
# zstd), looking into archives in tests (cpio).
readonly PACKAGES=(
  qemu-system-x86 qemu-system-common qemu-utils
  iproute2 util-linux procps erofs-utils e2fsprogs
  gcc libc6-dev make pkg-config binutils libseccomp-dev
  busybox-static xz-utils zstd cpio ca-certificates
)

started=0
say() { printf '==> %s\n' "$*"; }
begin() { say "$1"; started=$(date +%s%N); }
finish() { local ms=$((($(date +%s%N) - started) / 1000000)); printf '    done in %d.%d s\n' $((ms / 1000)) $((ms % 1000 / 100)); }
fail() {
  printf 'setup: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '       %s\n' "$2" >&2
  exit 1
}
trap 'fail "failed at line $LINENO: $BASH_COMMAND" "what was done so far stays; run scripts/setup.sh again when the cause is gone"' ERR

wants() { case ",$STEPS," in *",$1,"*) return 0 ;; *) return 1 ;; esac }

# A step is skipped when the fingerprint of what goes into it is the one that was stamped after it was last done.
fingerprint() { sha256sum | cut -d' ' -f1; }
is_stamped() { [ -f "$STAMPS/$1" ] && [ "$(cat "$STAMPS/$1")" = "$2" ]; }
put_stamp() { mkdir -p "$STAMPS" && printf '%s\n' "$2" > "$STAMPS/$1"; }

check_usage() {
  [ $# -eq 0 ] || { [ "$1" = --only ] && [ $# -eq 2 ]; } || fail "usage: scripts/setup.sh [--only STEP[,STEP…]]"
  local step
  for step in ${STEPS//,/ }; do
    case "$step" in apt | npm | bundle | cargo | guest) ;; *) fail "no step $step" "steps: apt npm bundle cargo guest" ;; esac
  done
}

check_machine() {
  [ "$(uname -m)" = x86_64 ] || fail "this machine is $(uname -m); Vivarium runs on x86_64"
  command -v node > /dev/null || fail "node is missing" "install Node.js 20 (20.19 or later)"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
    || fail "node is $(node --version); 20.19 or later is needed"
  command -v npm > /dev/null || fail "npm is missing" "it comes with Node.js"
  command -v cargo > /dev/null || fail "cargo is missing" "install Rust (https://rustup.rs); the stable toolchain will do"
  if wants apt && ! command -v apt-get > /dev/null; then
    fail "apt-get is missing" "on another system than Debian install these by hand: ${PACKAGES[*]}; then run scripts/setup.sh --only npm,bundle,cargo,guest"
  fi
}

missing_packages() {
  local have package
  # dpkg-query fails when it has never heard of one of them, and still lists the others.
  have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${PACKAGES[@]}" 2> /dev/null | awk '$1 == "ii" { print $2 }') || true
  for package in "${PACKAGES[@]}"; do
    grep -qx "$package" <<< "$have" || printf '%s\n' "$package"
  done
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o "DPkg::Lock::Timeout=$APT_LOCK_WAIT" -o Acquire::Retries=3 \
    -o Dpkg::Use-Pty=0 "$@"
}

# run_quietly COMMAND…: shows the command's output only when it fails; of a long one the beginning and the end.
run_quietly() {
  local log
  log=$(mktemp)
  if "$@" > "$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  if [ "$(wc -l < "$log")" -le 60 ]; then cat "$log" >&2; else
    head -n 30 "$log" >&2
    echo '    […]' >&2
    tail -n 30 "$log" >&2
  fi
  rm -f "$log"
  return 1
}

have_apt_lists() { compgen -G '/var/lib/apt/lists/*_Packages*' > /dev/null; }

# True while some process holds a POSIX lock on the file: that is how apt and dpkg lock (flock(1) would not see it).
is_locked() {
  [ -e "$1" ] && grep -Eq "^[0-9]+: POSIX .*:$(stat -c %i "$1") " /proc/locks
}

# On a fresh machine unattended upgrades may be at work.
wait_for_apt_locks() {
  local lock waited=0
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    while is_locked "$lock"; do
      [ "$waited" -gt 0 ] || echo "    another program holds $lock; waiting up to $APT_LOCK_WAIT s"
      [ "$waited" -lt "$APT_LOCK_WAIT" ] || fail "$lock is still held after $APT_LOCK_WAIT s" "see which apt or dpkg runs, then start again"
      sleep 1
      waited=$((waited + 1))
    done
  done
}

step_apt() {
  local missing
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ] && have_apt_lists; then return 0; fi
  [ "$(id -u)" -eq 0 ] || fail "not root, and these Debian packages are missing: ${missing[*]:-(apt lists)}" \
    "run as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  wait_for_apt_locks
  if ! have_apt_lists; then
    begin "apt-get update"
    run_quietly apt update || fail "apt-get update failed" "is a Debian mirror reachable? see /etc/apt/sources.list and the proxy settings"
    finish
  fi
  [ ${#missing[@]} -gt 0 ] || return 0
  begin "apt-get install ${missing[*]}"
  wait_for_apt_locks
  if ! run_quietly apt install --no-install-recommends "${missing[@]}"; then
    # Old lists name files that the mirror has replaced.
    echo "    trying once more with fresh package lists"
    run_quietly apt update || fail "apt-get update failed"
    run_quietly apt install --no-install-recommends "${missing[@]}" || fail "apt-get install failed" "its output is above"
  fi
  finish
}

step_npm() {
  local print
  print=$( (cat package-lock.json; node --version) | fingerprint)
  if [ -d node_modules ] && is_stamped npm "$print"; then return 0; fi
  begin "npm ci"
  local flags=(--no-audit --no-fund --fetch-retries 5)
  # npm ci refuses a lock file that lacks the optional packages of other platforms, and npm writes such a one where the registry
  # does not carry them. The versions are those of the lock file either way.
  if ! npm ci "${flags[@]}" > /dev/null 2>&1; then
    run_quietly npm install --no-save "${flags[@]}" || fail "npm install failed" "is the npm registry reachable? npm config get registry"
  fi
  put_stamp npm "$print"
  finish
}

step_bundle() {
  local print
  print=$({
    find proto src guest/builder scripts -path src/gen -prune -o -type f \( -name '*.ts' -o -name '*.mjs' -o -name '*.proto' \) -print0 | sort -z | xargs -0 sha256sum
    sha256sum package.json package-lock.json bin/vivd buf.*.yaml
  } | fingerprint)
  if [ -d src/gen ] && [ -f dist/guest-build.js ] && is_stamped bundle "$print"; then return 0; fi
  begin "generate from proto/ and bundle"
  run_quietly npm run --silent build || fail "npm run build failed" "its output is above"
  put_stamp bundle "$print"
  finish
}

step_cargo() {
  # Cargo knows best what is to be done; asked every time, it takes a fraction of a second when nothing is.
  begin "cargo build (agent, launcher, image, fake-vmm)"
  cargo build --release --locked --workspace || fail "cargo build failed" "is crates.io reachable? its output is above"
  finish
}

step_guest() {
  begin "guest and busybox image"
  node dist/guest-build.js build default --out "$GUESTS" --agent "$TARGET/viv-agent"
  node dist/guest-build.js busybox --out "$GUESTS" --images build/images
  finish
}

check_usage "$@"
check_machine
wants apt && step_apt
wants npm && step_npm
wants bundle && step_bundle
wants cargo && step_cargo
wants guest && step_guest
say "ready"
