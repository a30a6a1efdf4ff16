# Runs in the lab (scripts/lab.sh): vivd as a service of a real systemd. Says what it sees as lines "FACT name value"; systemd.lab.test.ts judges them.
set -u
fact() { printf 'FACT %s %s\n' "$1" "$2"; }
say() { fact "$1" "$(systemctl show -P "$2" vivd)"; }
# Until something holds, half a minute at most.
await() { for _ in $(seq 150); do if "$@"; then return 0; fi; sleep 0.2; done; echo "gave up: $*"; return 1; }
main() { systemctl show -P MainPID vivd; }
serves() { [ "$(systemctl show -P ActiveState vivd)" = active ] && [ "$(main)" != "$1" ]; }
# Pid, start time and boot counter of a process: another process has others.
identity() { echo "$1@$(cut -d' ' -f22 "/proc/$1/stat" 2> /dev/null)"; }
group() { cut -d: -f3 "/proc/$1/cgroup"; }

cd "$LAB_ROOT"
scripts/install.sh --no-guest
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
# Only what the lab is without, and times that fit a test.
mkdir -p /run/systemd/system/vivd.service.d
cat > /run/systemd/system/vivd.service.d/lab.conf << CONF
[Unit]
DefaultDependencies=no
[Service]
StandardOutput=append:/run/vivd.log
StandardError=append:/run/vivd.log
WatchdogSec=10
CONF
systemctl daemon-reload
fact verify "$(systemd-analyze verify --man=no vivd.service vivarium.slice 2>&1 | grep -c vivarium\\\|vivd)"

systemctl start vivd
fact start $?
say status StatusText
first=$(main)
viv sandbox create --profile fake --name box
viv run -d --sandbox box --name counting busybox -- counter 100
launched=$(cat /run/vivarium/s/*/vmm/record)
launcher=$(sed 's/.*"launcher_pid":\([0-9]*\).*/\1/' <<< "$launched")
vmm=$(sed 's/.*"pid":\([0-9]*\),"start_time".*/\1/' <<< "$launched")
fact vmm "$(identity "$vmm")"
fact vmm_group "$(group "$vmm")"
fact launcher_group "$(group "$launcher")"
fact service_group "$(tr '\n' ' ' < "/sys/fs/cgroup$(group "$first")/cgroup.procs")"
fact service_main "$first"

for round in 1 2; do
  before=$(main)
  systemctl restart vivd
  fact "restart$round" $?
  fact "restart${round}_changed" "$([ "$(main)" != "$before" ] && echo yes)"
  fact "restart${round}_vmm" "$(identity "$vmm")"
done
say restart_result Result

before=$(main)
kill -9 "$before"
await serves "$before"
fact kill $?
fact kill_vmm "$(identity "$vmm")"
say kill_restarts NRestarts

before=$(main)
kill -STOP "$before"
await serves "$before"
fact watchdog $?
fact watchdog_vmm "$(identity "$vmm")"
say watchdog_restarts NRestarts
# Ready is said before every sandbox is found again, and until then it takes no exec.
found() { viv sandbox ls -o json | grep -q SANDBOX_STATE_RUNNING; }
await found
fact found $?
fact watchdog_told "$(dmesg | grep -c 'vivd.service: Watchdog timeout')"
fact group_failures "$(dmesg | grep -c '219/CGROUP')"

viv exec counting echo hello > /run/said 2> /run/refused
fact exec_code $?
fact exec "$(cat /run/said)"
fact exec_refused "$(tr '\n' ' ' < /run/refused)"
viv logs counting > /run/counted
fact counted "$(awk '$1 != NR { bad = 1 } END { print (bad || NR < 2) ? "broken" : "whole" }' /run/counted)"
viv doctor audit
fact audit $?

systemctl stop vivd
fact stop $?
fact stop_vmm "$(identity "$vmm")"
systemctl start vivd
fact start_again $?
viv sandbox rm -f box
fact rm $?
gone() { [ ! -e "/proc/$vmm" ]; }
await gone
fact vmm_gone $?
systemctl stop vivd
no_scopes() { [ -z "$(systemctl list-units --plain --no-legend --type=scope 'run-*')" ]; }
await no_scopes
fact scopes_gone $?
echo '--- the log of vivd'
grep -v '"level":"info"' /run/vivd.log | tail -n 40
dmesg | grep 'systemd\[1\]' | tail -n 40
