#!/usr/bin/env bash
# Installs what `make build guest` has built, or replaces what an earlier version installed: docs/install.md. Starts and stops nothing.
# usage: scripts/install.sh [--no-guest]     (DESTDIR: put before every path)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
umask 022
dest=${DESTDIR:-}
output=${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release

for built in dist/vivd.js dist/vivd.cjs dist/cli/main.js "$output"/viv-{launcher,image}; do
  [ -e "$built" ] || { echo "install: no $built; run make build first" >&2; exit 1; }
done

# swap NEW OLD: a directory takes another's place; a program that runs from the old one keeps its open files.
swap() {
  rm -rf "$2.old"
  [ ! -e "$2" ] || mv "$2" "$2.old"
  mv "$1" "$2"
  rm -rf "$2.old"
}

lib=$dest/usr/lib/vivarium share=$dest/usr/share/vivarium
rm -rf "$lib.new"
install -d "$lib.new/bin" "$lib.new/dist" "$dest/usr/bin" "$dest/usr/sbin" "$dest/usr/libexec/vivarium" "$share/guest" "$share/images" \
  "$dest/etc/vivarium/profiles" "$dest/usr/lib/systemd/system"
install -m 755 bin/viv bin/vivd "$lib.new/bin/"
install -m 644 package.json "$lib.new/"
cp -R dist/. "$lib.new/dist/"
swap "$lib.new" "$lib"
ln -sfn ../lib/vivarium/bin/viv "$dest/usr/bin/viv"
ln -sfn ../lib/vivarium/bin/vivd "$dest/usr/sbin/vivd"
# By rename: launchers that run hold the old file.
for program in viv-launcher viv-image; do
  install -m 755 "$output/$program" "$dest/usr/libexec/vivarium/$program.new"
  mv "$dest/usr/libexec/vivarium/$program.new" "$dest/usr/libexec/vivarium/$program"
done
install -m 644 packaging/systemd/{vivd.service,vivarium.slice,vivarium-sandboxes.service} "$dest/usr/lib/systemd/system/"

[ "${1:-}" != --no-guest ] || exit 0
for guest in build/guest/*/; do
  name=$(basename "$guest")
  rm -rf "$share/guest/$name.new"
  cp -RL "$guest" "$share/guest/$name.new"
  swap "$share/guest/$name.new" "$share/guest/$name"
done
# An image that is there stays: it may be below the root file systems of containers that run.
for image in build/images/*/; do
  name=$(basename "$image")
  [ -e "$share/images/$name" ] || cp -a "$image" "$share/images/$name"
done
