import { FOREIGN_INIT } from './initramfs-layout.ts';

/**
 * The loader that stands before a foreign init program (an official kata agent, say), which expects a kernel with every driver
 * built in: it loads the modules in order and becomes that program, still process 1. /proc is needed by nothing here; /dev is
 * mounted because the program may want its devices before it mounts anything itself, and is harmless if it mounts it again.
 */
export const LOADER_SCRIPT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for list in boot late; do
  while read -r path parameters; do
    /bin/busybox insmod "$path" $parameters || echo "vivarium: $path did not load" >&2
  done < /lib/vivarium/modules.$list
done
exec /${FOREIGN_INIT} "$@"
`;
