import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import type { IdSource } from '../core/ports/host.ts';

/** Identifiers and random bytes from the system. */
export class SystemIdSource implements IdSource {
  id(): string {
    return v7().replaceAll('-', '');
  }

  random(bytes: number): Uint8Array {
    return randomBytes(bytes);
  }
}
