import type { GuestStorage } from '../../core/ports/agent.ts';
import type { Storage } from '../../gen/agent/storage.ts';

/** What the guest is to mount. Directories that an overlay writes to are made on the way: the guest has nowhere else to make them. */
export function toStorageMessage(storage: GuestStorage): Storage {
  return {
    driver: storage.driver,
    driverOptions: storage.driver === 'overlayfs' ? overlayDirectories(storage.options) : [],
    source: storage.source,
    fstype: storage.fstype,
    options: [...storage.options],
    mountPoint: storage.mountPoint,
    fsGroup: undefined,
    shared: false,
  };
}

const CREATE_DIRECTORY = 'io.katacontainers.volume.overlayfs.create_directory';

function overlayDirectories(options: readonly string[]): string[] {
  return options
    .filter((option) => option.startsWith('upperdir=') || option.startsWith('workdir='))
    .map((option) => `${CREATE_DIRECTORY}=${option.slice(option.indexOf('=') + 1)}`);
}
