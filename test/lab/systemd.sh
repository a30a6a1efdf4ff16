# Runs in the lab (scripts/lab.sh): vivd as a service of a real systemd, over a fake VMM.
. "$LAB_ROOT/test/lab/host.sh"
say() { fact "$1" "$(systemctl show -P "$2" vivd)"; }

install_vivd 10
fact verify "$(systemd-analyze verify --man=no vivd.service vivarium-sandboxes.service vivarium.slice 2>&1 | grep -c vivarium\\\|vivd)"

start_vivd
say status StatusText
first=$(main_pid)
viv sandbox create --profile fake --name box
viv run -d --sandbox box --name counting busybox -- counter 100
launcher=$(launcher_pid)
vmm=$(vmm_pid)
fact vmm "$(identity "$vmm")"
fact vmm_group "$(group "$vmm")"
fact launcher_group "$(group "$launcher")"
fact service_group "$(tr '\n' ' ' < "/sys/fs/cgroup$(group "$first")/cgroup.procs")"
fact service_main "$first"

for round in 1 2; do
  before=$(main_pid)
  systemctl restart vivd
  fact "restart$round" $?
  fact "restart${round}_changed" "$([ "$(main_pid)" != "$before" ] && echo yes)"
  fact "restart${round}_vmm" "$(identity "$vmm")"
done
say restart_result Result

before=$(main_pid)
kill -9 "$before"
await serves "$before"
fact kill $?
fact kill_vmm "$(identity "$vmm")"
say kill_restarts NRestarts

before=$(main_pid)
kill -STOP "$before"
await serves "$before"
fact watchdog $?
fact watchdog_vmm "$(identity "$vmm")"
say watchdog_restarts NRestarts
# At once: the daemon may still be looking for its VM.
viv exec counting echo hello > /run/said 2> /run/refused
fact exec_code $?
fact exec "$(cat /run/said)"
fact exec_refused "$(tr '\n' ' ' < /run/refused)"
fact watchdog_told "$(dmesg | grep -c 'vivd.service: Watchdog timeout')"
fact group_failures "$(dmesg | grep -c '219/CGROUP')"

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
await gone "$vmm"
fact vmm_gone $?
systemctl stop vivd
no_scopes() { [ -z "$(systemctl list-units --plain --no-legend --type=scope 'run-*')" ]; }
await no_scopes
fact scopes_gone $?
tell_logs
fact end reached
