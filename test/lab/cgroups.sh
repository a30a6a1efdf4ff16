# Runs in the lab (scripts/lab.sh): a sandbox's control group in a real version 2 hierarchy, below a unit with Delegate=yes, over a fake VMM.
. "$LAB_ROOT/test/lab/host.sh"

install_vivd 30
start_vivd
fact delegated "$(systemctl show -P Delegate vivarium-sandboxes) $(systemctl show -P ActiveState vivarium-sandboxes)"
viv sandbox create --profile fake --name box
viv run -d --sandbox box --name counting busybox -- counter 100
vmm=$(vmm_pid)
here=/sys/fs/cgroup$(group "$vmm")
fact group "$(group "$vmm")"
fact members "$(tr '\n' ' ' < "$here/cgroup.procs")"
fact vmm "$vmm"
fact controllers "$(tr '\n' ' ' < "$here/cgroup.controllers")"
fact memory "$(cat "$here/memory.current")"
fact handed_down "$(cat /sys/fs/cgroup/vivarium.slice/vivarium-sandboxes.service/cgroup.subtree_control)"

# A process beside the VMM, when there may be no more processes.
cat > /run/forks.mjs << 'JS'
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
const here = process.argv[2];
writeFileSync(`${here}/cgroup.procs`, String(process.pid));
writeFileSync(`${here}/pids.max`, readFileSync(`${here}/pids.current`));
console.log(spawnSync('/bin/true').error?.code ?? 'none');
JS
fact pids_refusal "$(node /run/forks.mjs "$here")"
fact pids_limit "$(cat "$here/pids.max")"
fact pids_counted "$(sed -n 's/^max //p' "$here/pids.events")"

# A process beside the VMM that would take a whole processor, and may have a fifth.
used() { sed -n "s/^$1 //p" "$here/cpu.stat"; }
echo '20000 100000' > "$here/cpu.max"
before=$(used usage_usec)
began=$(date +%s%6N)
timeout 4 sh -c "echo \$\$ > '$here/cgroup.procs'; while :; do :; done"
fact cpu_percent "$((($(used usage_usec) - before) * 100 / ($(date +%s%6N) - began)))"
fact cpu_throttled "$(used nr_throttled)"

# Limits stay whatever happens to the daemon and to systemd.
systemctl restart vivd
systemctl daemon-reload
systemctl daemon-reexec
fact limits_after "$(cat "$here/pids.max") $(cat "$here/cpu.max")"
fact vmm_after "$(viv sandbox inspect box | sed -n 's/.*"vmmPid": \([0-9]*\).*/\1/p')"
echo max > "$here/pids.max"
echo max > "$here/cpu.max"
viv doctor audit
fact audit $?

# The kernel finds nothing to take back: the VMM goes.
echo 0 > "$here/memory.max"
await gone "$vmm"
fact oom_gone $?
fact oom_wait "$(viv wait counting)"
cause() { viv inspect "$1" | sed -n 's/.*"cause": "\(CAUSE_[A-Z_]*\)".*/\1/p' | sort -u | tr '\n' ' '; }
fact oom_cause "$(cause counting)"
fact oom_sandbox_cause "$(cause box)"
fact oom_group "$(ls -d "$here" 2> /dev/null)"
viv sandbox rm -f box

# The same while no daemon is there to see it.
viv sandbox create --profile fake --name other
viv run -d --sandbox other --name waiting busybox -- sleep infinity
vmm=$(vmm_pid)
here=/sys/fs/cgroup$(group "$vmm")
systemctl stop vivd
echo 0 > "$here/memory.max"
await gone "$vmm"
fact away_kills "$(sed -n 's/^oom_kill //p' "$here/memory.events")"
systemctl start vivd
fact away_wait "$(viv wait waiting)"
fact away_cause "$(cause other)"
viv sandbox rm -f other
viv doctor audit
fact audit_after $?
fact left "$(ls -d /sys/fs/cgroup/vivarium /sys/fs/cgroup/vivarium.slice/vivarium-sandboxes.service/vivarium 2> /dev/null)"
tell_logs
fact end reached
