# Runs in the lab (scripts/lab.sh): what a host of VMs has (KVM, an IOMMU, VFIO, vhost), and one real VM across restarts of its daemon.
. "$LAB_ROOT/test/lab/host.sh"

modprobe -a kvm-amd vfio_iommu_type1 vfio-pci vhost_vsock vhost_net virtio_net virtio_blk
fact modules $?
for device in kvm vfio/vfio vhost-vsock vhost-net; do fact "device_$device" "$([ -c "/dev/$device" ] && echo there)"; done
fact iommu_groups "$(ls /sys/kernel/iommu_groups | wc -l)"
# Each of the spare devices is alone in its group, so that it can be passed on by itself.
alone() { basename -a /sys/bus/pci/devices/"$1"/iommu_group/devices/* | tr '\n' ' '; }
address() { basename "$(dirname "$(readlink -f "$1/device")")"; }
nic=$(address "$(dirname "$(grep -l 52:54:00:12:34:56 /sys/class/net/*/address)")")
disk=$(address "$(dirname "$(grep -l lab-spare /sys/block/*/serial)")")
fact nic "$nic $(alone "$nic")"
fact disk "$disk $(alone "$disk")"
# The NIC can be taken by vfio-pci, and given back.
driver() { basename "$(readlink "/sys/bus/pci/devices/$nic/driver")"; }
fact nic_driver "$(driver)"
echo vfio-pci > "/sys/bus/pci/devices/$nic/driver_override"
echo "$nic" > "/sys/bus/pci/devices/$nic/driver/unbind"
echo "$nic" > /sys/bus/pci/drivers_probe
fact nic_taken "$(driver) $(ls /dev/vfio | grep -c '^[0-9]')"
echo > "/sys/bus/pci/devices/$nic/driver_override"
echo "$nic" > "/sys/bus/pci/drivers/vfio-pci/unbind"
echo "$nic" > /sys/bus/pci/drivers_probe
fact nic_back "$(driver)"

install_vivd 60
start_vivd
viv doctor -o json > /run/doctor
fact doctor "$(tr -d ' \n' < /run/doctor | grep -o '"name":"accelerator"[^}]*')"
began=$(date +%s)
viv run -d --set accelerator=kvm --name counting busybox -- sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done'
fact run $?
fact seconds_to_run $(($(date +%s) - began))
vmm=$(vmm_pid)
box=$(viv sandbox ls -q)
fact mode "$(viv sandbox inspect "$box" | tr -d ' \n' | grep -o '"mode":{[^}]*}')"
fact kvm_held "$(ls -l "/proc/$vmm/fd" | grep -c /dev/kvm)"
boot() { viv exec counting cat /proc/sys/kernel/random/boot_id; }
fact vmm "$(identity "$vmm")"
fact boot "$(boot)"

before=$(main_pid)
systemctl restart vivd
fact restart $?
fact restart_boot "$(boot)"
fact restart_vmm "$(identity "$vmm") $([ "$(main_pid)" != "$before" ] && echo changed)"

before=$(main_pid)
kill -9 "$before"
await serves "$before"
fact kill $?
fact kill_boot "$(boot)"
fact kill_vmm "$(identity "$vmm")"

viv logs counting > /run/counted
fact lines "$(wc -l < /run/counted)"
fact counted "$(awk '$1 != NR { bad = 1 } END { print bad ? "broken" : "whole" }' /run/counted)"
viv doctor audit
fact audit $?
viv sandbox rm -f "$box"
fact rm $?
await gone "$vmm"
fact vmm_gone $?
viv doctor audit
fact audit_after $?
tell_logs
fact end reached
