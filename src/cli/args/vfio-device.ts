import { VfioMode, type VfioDevice } from '../../gen/vivarium/v1/device.ts';
import { UsageError } from '../cli-error.ts';
import { splitOptions } from './block-device.ts';

const MODES: Readonly<Record<string, VfioMode>> = { 'guest-kernel': VfioMode.VFIO_MODE_GUEST_KERNEL, 'vfio': VfioMode.VFIO_MODE_VFIO };

/**
 * Reads `vfio:ADDRESS[,mode=guest-kernel|vfio]` or `/dev/vfio/GROUP`; undefined for what is neither.
 * @throws {UsageError}
 */
export function parseVfioDevice(text: string): VfioDevice | undefined {
  if (/^\/dev\/vfio\/[^:]+$/.test(text)) return { device: text, mode: VfioMode.VFIO_MODE_UNSPECIFIED };
  if (!text.startsWith('vfio:')) return undefined;
  const { path: device, options } = splitOptions('vfio', text.slice('vfio:'.length), ['mode']);
  if (device === '') throw new UsageError(`"${text}" names no device`, 'write it as vfio:0000:01:00.0 or /dev/vfio/16; "viv doctor vfio" lists them');
  const word = options.get('mode');
  if (word === undefined) return { device, mode: VfioMode.VFIO_MODE_UNSPECIFIED };
  const mode = Object.hasOwn(MODES, word) ? MODES[word] : undefined;
  if (mode === undefined) throw new UsageError(`mode: there is no "${word}"`, `known are ${Object.keys(MODES).join(', ')}`);
  return { device, mode };
}
