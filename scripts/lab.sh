#!/usr/bin/env bash
# A host to break: a VM under plain emulation that shares this machine's own root read-only, with changes in its memory, version 2 control groups and a
# real systemd as process 1. Runs a script there and ends with its exit code. It needs no image, no network and no KVM, and has what hosts of VMs have:
# virtualisation (modprobe kvm-amd gives a /dev/kvm that works), an IOMMU, vhost, and two devices that nobody uses: the NIC 52:54:00:12:34:56 and a disk
# of 64 MiB with the serial lab-spare. `modprobe` finds every module of its kernel.
#
#   scripts/lab.sh [--memory SIZE] [--cpus N] SCRIPT          (SCRIPT: path of a bash script, as this machine sees it)
#   scripts/lab.sh [--memory SIZE] [--cpus N] -c COMMAND
#
# Needs what scripts/setup.sh installs, kmod and systemd, and the guest that it builds: its kernel and modules are the lab's too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
memory=2G cpus=2 order=
while [ $# -gt 1 ]; do
  case "$1" in
    --memory) memory=$2 ;;
    --cpus) cpus=$2 ;;
    -c) order=$2 ;;
    *) break ;;
  esac
  shift 2
done
if [ -z "$order" ]; then
  [ $# -eq 1 ] && [ -f "$1" ] || { echo "usage: scripts/lab.sh [--memory SIZE] [--cpus N] SCRIPT | -c COMMAND" >&2; exit 2; }
  order=". $(printf %q "$(realpath "$1")")"
elif [ $# -ne 0 ]; then
  echo "lab: a script or -c, not both" >&2
  exit 2
fi
guests=${VIVARIUM_GUEST_DIR:-build/guest}
kernels=("$guests"/.cache/kernels/*/)
kernel=${kernels[-1]}vmlinuz modules=${kernels[-1]}modules
for need in /lib/systemd/systemd /bin/busybox /usr/lib/qemu/virtiofsd "$kernel"; do
  [ -e "$need" ] || { echo "lab: no $need" >&2; exit 1; }
done

work=$(mktemp -d /tmp/viv-lab-XXXXXX)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT

# The first root: modules, the shared root below an overlay, then systemd.
root=$work/initrd
mkdir -p "$root"/{bin,proc,sys,dev,mnt,rw,mod} "$work/modules/lib/modules"
cp /bin/busybox "$root/bin/"
version=$(find "$modules" -name overlay.ko -exec modinfo -F vermagic {} + | cut -d' ' -f1)
cp -R "$modules" "$work/modules/lib/modules/$version"
depmod -b "$work/modules" "$version"
for module in virtio_pci virtiofs overlay; do
  modprobe -d "$work/modules" -S "$version" --show-depends "$module"
done | awk '/^insmod/ && !seen[$2]++ { print $2 }' | while read -r file; do
  cp "$file" "$root/mod/"
  basename "$file" >> "$root/mod/order"
done
cat > "$root/lab.service" << 'UNIT'
[Unit]
DefaultDependencies=no
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=oneshot
ExecStart=/bin/bash /run/lab.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
UNIT
{
  printf 'export PATH=%q HOME=/root LAB_ROOT=%q\ncd /\n' "$PATH" "$PWD"
  printf '(\n%s\n)\necho "LAB-EXIT $?"\n' "$order"
} > "$root/lab.sh"
printf '%s\n' "$work/modules/lib/modules/$version" > "$root/modules"
cat > "$root/init" << 'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc none /proc; $b mount -t sysfs none /sys; $b mount -t devtmpfs none /dev
while read -r m; do $b insmod "/mod/$m"; done < /mod/order
$b mount -t virtiofs root /mnt -o ro; $b mount -t tmpfs none /rw; $b mkdir /rw/u /rw/w /rw/m
$b mount -t overlay overlay -o lowerdir=/mnt,upperdir=/rw/u,workdir=/rw/w /rw/m
# An overlay can't be the upper part of another one: what containers write goes to memory directly.
$b mkdir -p /rw/m/var/lib/vivarium
$b rm -f /rw/m/.dockerenv
for d in run var/lib/vivarium; do $b mount -t tmpfs none /rw/m/$d; done
$b cp /lab.sh /rw/m/run/
read -r modules < /modules
$b mkdir -p /rw/m/lib/modules
$b ln -sfn "$modules" "/rw/m/lib/modules/$($b uname -r)"
$b mkdir -p /rw/m/run/systemd/system
$b cp /lab.service /rw/m/run/systemd/system/
for d in proc sys dev; do $b mount --move /$d /rw/m/$d; done
exec $b switch_root /rw/m /lib/systemd/systemd --unit=lab.service --show-status=false
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd.gz"

/usr/lib/qemu/virtiofsd --socket-path="$work/fs.sock" -o source=/ -o cache=always -o sandbox=chroot 2> "$work/virtiofsd.log" &
pids+=($!)
for _ in $(seq 200); do [ ! -S "$work/fs.sock" ] || break; sleep 0.05; done
: > "$work/console"
truncate -s 64M "$work/spare.img"
# An IOMMU of Intel's beside a processor of AMD's: odd as hardware, and the pair that emulation has. What is passed through is modern (no I/O ports) and
# asks the IOMMU for its addresses. erms and fsrm off: emulation copies by them a byte at a time.
machine=(-M q35,accel=tcg,memory-backend=m,kernel-irqchip=off -cpu max,+svm,-erms,-fsrm -smp "$cpus" -m "$memory"
  -object memory-backend-memfd,id=m,size="$memory",share=on -device intel-iommu,intremap=on,caching-mode=on,device-iotlb=on)
spares=(-netdev user,id=spare-nic,restrict=on -device virtio-net-pci,netdev=spare-nic,mac=52:54:00:12:34:56,disable-legacy=on,iommu_platform=on,ats=on
  -drive if=none,id=spare-disk,format=raw,file="$work/spare.img" -device virtio-blk-pci,drive=spare-disk,serial=lab-spare,disable-legacy=on,iommu_platform=on,ats=on)
words='console=ttyS0 quiet panic=1 reboot=t no_timer_check mitigations=off intel_iommu=on iommu=pt'
words+=' systemd.unified_cgroup_hierarchy=1 systemd.log_target=kmsg systemd.log_level=warning'
qemu-system-x86_64 "${machine[@]}" -nodefaults -no-user-config -display none -no-reboot -serial stdio -device virtio-rng-pci \
  -kernel "$kernel" -initrd "$work/initrd.gz" -append "$words" \
  -chardev socket,id=fs,path="$work/fs.sock" -device vhost-user-fs-pci,chardev=fs,tag=root "${spares[@]}" < /dev/null > "$work/console" &
vm=$!
pids+=("$vm")
tail -n +1 -f --pid="$vm" "$work/console" | sed -u 's|\r$||' | tee "$work/said" || true
wait "$vm" || true
code=$(sed -n 's/^.*LAB-EXIT \([0-9]*\)$/\1/p' "$work/said" | tail -n 1)
exit "${code:-125}"
