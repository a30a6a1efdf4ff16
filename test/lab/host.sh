# What scripts in the lab have in common; each begins with it: . "$LAB_ROOT/test/lab/host.sh". What they see they say as lines "FACT name value", which the
# test beside them judges.
set -u
# The kernel's own words would break ours in two.
dmesg -n 1

fact() { printf 'FACT %s %s\n' "$1" "$2"; }

# Until something holds, a minute at most.
await() { for _ in $(seq 300); do if "$@"; then return 0; fi; sleep 0.2; done; echo "gave up: $*"; return 1; }

# Pid and start time of a process: another process has others.
identity() { echo "$1@$(cut -d' ' -f22 "/proc/$1/stat" 2> /dev/null)"; }
group() { cut -d: -f3 "/proc/$1/cgroup"; }
gone() { [ ! -e "/proc/$1" ]; }

main_pid() { systemctl show -P MainPID vivd; }
# Another daemon than the one with this pid.
serves() { [ "$(systemctl show -P ActiveState vivd)" = active ] && [ "$(main_pid)" != "$1" ]; }

# Of the launch of the only VM. Its record has two pids: the launcher's, and then the VMM's with its start time.
launcher_pid() { sed 's/.*"launcher_pid":\([0-9]*\).*/\1/' /run/vivarium/s/*/vmm/record; }
vmm_pid() { sed 's/.*"pid":\([0-9]*\),"start_time".*/\1/' /run/vivarium/s/*/vmm/record; }

# install_vivd WATCHDOG_SECONDS: installs from the checkout, with a profile of the fake VMM, and what the lab is without.
install_vivd() {
  cd "$LAB_ROOT"
  scripts/install.sh --no-guest || exit 1
  cat > /etc/vivarium/vivd.toml << CONF
guest_dir = "$LAB_ROOT/build/guest"
image_dirs = ["$LAB_ROOT/build/images"]
metrics = "none"
CONF
  cat > /etc/vivarium/profiles/fake.toml << CONF
hypervisor_path = "$(realpath target/x86_64-unknown-linux-gnu/release/fake-vmm)"
accelerator = "tcg"
shared_fs = "none"
memory = "64MiB"
CONF
  # No target of a whole system is reached here, and times fit a test.
  mkdir -p /run/systemd/system/{vivd,vivarium-sandboxes}.service.d
  tee /run/systemd/system/{vivd,vivarium-sandboxes}.service.d/lab.conf > /dev/null << CONF
[Unit]
DefaultDependencies=no
CONF
  cat >> /run/systemd/system/vivd.service.d/lab.conf << CONF
[Service]
StandardOutput=append:/run/vivd.log
StandardError=append:/run/vivd.log
WatchdogSec=$1
CONF
  systemctl daemon-reload
}

start_vivd() {
  systemctl start vivd || { tell_logs; exit 1; }
  fact start 0
}

# For whoever reads why a check failed.
tell_logs() {
  echo '--- the log of vivd'
  grep -v '"level":"info"' /run/vivd.log | tail -n 40
  dmesg | grep 'systemd\[1\]' | tail -n 40
}
