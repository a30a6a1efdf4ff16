import type { QmpCommand } from './protocol.ts';

/** How long a command may take, by what it does. Milliseconds; generous, since a guest under emulation may hold the VMM's main loop for seconds. */
const CLASSES = {
  /** Reads or flips a state. */
  quick: 10_000,
  /** Waits for disk requests to end. */
  blockIo: 30_000,
} as const;

/** Every command has its class: a new one does not compile without. */
const TABLE: Readonly<Record<QmpCommand, keyof typeof CLASSES>> = {
  'qmp_capabilities': 'quick',
  'query-status': 'quick',
  'query-cpus-fast': 'quick',
  'query-memory-size-summary': 'quick',
  'query-named-block-nodes': 'quick',
  'qom-list': 'quick',
  // Opening and closing an image may wait for its disk.
  'blockdev-add': 'blockIo',
  'blockdev-del': 'blockIo',
  // Connects to a back end, which may be slow to accept.
  'chardev-add': 'blockIo',
  'chardev-remove': 'quick',
  'netdev_del': 'quick',
  'device_add': 'blockIo',
  'device_del': 'quick',
  // Both drain the block devices before they answer.
  'stop': 'blockIo',
  'cont': 'blockIo',
  'system_powerdown': 'quick',
  'quit': 'quick',
};

/** The time-out of a command, in milliseconds. */
export function timeoutOf(command: QmpCommand): number {
  return CLASSES[TABLE[command]];
}
