import type { BigIntStats } from 'node:fs';
import { chmod, lstat, rename, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { DomainError } from '../../core/model/errors.ts';

const OWNER_ONLY = 0o600;
const PROBE_MS = 2000;

/**
 * The name of a listening unix socket. It is bound under a name beside it, given its mode and then renamed: nobody finds it with another mode,
 * and what was left by a daemon that was killed is replaced in one step.
 */
export class SocketFile {
  readonly #path: string;
  #inode: bigint | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Where to bind before `publish`. */
  get bindPath(): string {
    return `${this.#path}~`;
  }

  /** Rejects HOST_RESOURCE when somebody answers on the path, or when something else than a socket lies there. */
  async prepare(): Promise<void> {
    await unlinkIfThere(this.bindPath);
    const found = await statIfThere(this.#path);
    if (found === undefined) return;
    if (!found.isSocket()) throw inUse(this.#path, 'something that is not a socket lies there');
    if (await answers(this.#path)) throw inUse(this.#path, 'another process answers on it');
  }

  async publish(): Promise<void> {
    await chmod(this.bindPath, OWNER_ONLY);
    this.#inode = (await statIfThere(this.bindPath))?.ino;
    await rename(this.bindPath, this.#path);
  }

  /** Removes the name, unless it has become somebody else's. */
  async remove(): Promise<void> {
    const found = await statIfThere(this.#path);
    if (found !== undefined && found.ino === this.#inode) await unlinkIfThere(this.#path);
  }
}

async function statIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** A peer that accepts, or that is too busy to, is alive; a refused connection is what a dead one's file gives. */
async function answers(path: string): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    const settle = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    socket.setTimeout(PROBE_MS, () => { settle(true); });
    socket.once('connect', () => { settle(true); });
    socket.once('error', (error: NodeJS.ErrnoException) => { settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'); });
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function inUse(path: string, why: string): DomainError {
  return new DomainError('HOST_RESOURCE', `can't listen on ${path}: ${why}`, { remedy: 'stop the other daemon, or give this one its own --root, --run and --listen' });
}
