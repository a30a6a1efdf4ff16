# Runs in the lab (scripts/lab.sh): the spare disk and the spare NIC are passed on to a real VM, which reads and names them, and come back to their drivers,
# also after the deaths of the daemon and of the VMM.
. "$LAB_ROOT/test/lab/host.sh"

modprobe -a kvm-amd virtio_net virtio_blk
install_vivd 60
start_vivd
address() { basename "$(dirname "$(readlink -f "$1/device")")"; }
nic=$(address "$(dirname "$(grep -l 52:54:00:12:34:56 /sys/class/net/*/address)")")
disk=$(address "$(dirname "$(grep -l lab-spare /sys/block/*/serial)")")
node=/dev/$(basename "$(dirname "$(grep -l lab-spare /sys/block/*/serial)")")
driver() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
group() { basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"; }
is_with() { [ "$(driver "$1")" = "$2" ]; }
# The words of a refusal.
refused() { "$@" 2>&1 > /dev/null | sed -n 's/^viv: //p' | head -n 1; }
printf 'written by the host' | dd of="$node" bs=512 conv=sync,notrunc,fsync 2> /dev/null
fact disk "$disk"
fact group "$(group "$disk")"
fact drivers "$(driver "$disk") $(driver "$nic")"
viv doctor vfio -o json > /run/doctor
fact doctor "$(node -e '
  const { usable, groups } = JSON.parse(require("fs").readFileSync("/run/doctor"));
  console.log(usable, process.argv.slice(1).map((address) => groups.find(({ functions }) => functions.some((member) => member.address === address)).usable).join(" "));
' "$disk" "$nic")"

viv sandbox create --set accelerator=kvm --name box
fact create $?
fact missing "$(refused viv device attach box --id d vfio:0000:7f:00.0)"
fact bridge "$(refused viv device attach box --id d vfio:0000:00:00.0)"
fact iommufd "$(refused viv device attach box --id d vfio:/dev/vfio/devices/vfio0)"
mount -t ext4 "$node" /mnt 2> /dev/null || { mke2fs -q -t ext4 -F "$node" 16384 && mount "$node" /mnt; }
fact mounted "$(refused viv device attach box --id d "vfio:$disk")"
umount /mnt
printf 'written by the host' | dd of="$node" bs=512 conv=sync,notrunc,fsync 2> /dev/null

# Hot: by address, and by group.
fact attach_disk "$(viv device attach box --id disk "vfio:$disk" | tr '\n' ' ')"
fact attach_nic "$(viv device attach box --id nic "/dev/vfio/$(group "$nic")" | tr '\n' ' ')"
fact taken "$(driver "$disk") $(driver "$nic")"
fact other "$(refused viv device attach box --id again "vfio:$disk")"
fact read "$(viv run --rm --sandbox box --privileged busybox -- sh -c 'mknod /tmp/d b $(cat /sys/block/vda/dev | tr : " ") && head -c 19 /tmp/d')"
fact nic_mac "$(viv run --rm --sandbox box busybox -- cat /sys/class/net/eth0/address)"
viv doctor audit
fact audit $?
viv device detach box disk
fact detach $?
fact disk_back "$(driver "$disk") $(cat /sys/block/*/serial | grep -c lab-spare)"

# With a container, and with it away again. The node is in the container without any privilege.
fact container "$(viv run --rm --sandbox box --device "vfio:$disk" busybox -- sh -c 'head -c 19 /dev/vda')"
fact container_back "$(driver "$disk")"

# The daemon and the VMM die at once.
viv device attach box --id disk "vfio:$disk"
vmm=$(vmm_pid)
before=$(main_pid)
kill -9 "$before" "$vmm"
await serves "$before"
await is_with "$nic" virtio-pci
await is_with "$disk" virtio-pci
fact killed "$(driver "$disk") $(driver "$nic")"
fact kept "$(viv device ls box -q | tr '\n' ' ')"
viv sandbox rm -f box
viv doctor audit
fact audit_after $?
fact marks "$(ls /var/lib/vivarium/vfio | wc -l)"
tell_logs
fact end reached
