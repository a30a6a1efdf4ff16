import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import { errnoOf, syncDirectory } from './files.ts';

/** Bytes of an abstract socket's name after its leading NUL: all of sun_path, so that it is the same name with and without padding. */
const NAME_BYTES = 107;
const KEY_FILE = 'lock-key';
const KEY_BYTES = 16;

/** A lock on a directory that the kernel lets go of when this process ends, however it ends. */
export interface DirectoryLock extends AsyncDisposable {
  readonly directory: string;
}

/**
 * Takes the lock of a directory, or rejects HOST_RESOURCE naming the process that holds it.
 *
 * The lock is a listening socket in Linux's abstract namespace (unix(7)): only one process can bind a name, and nothing is left behind by a
 * dead one. The name is made of the directory's device and inode and of a secret kept in it, so that no other user can guess and occupy it. See
 * docs/adr/0002-one-daemon-a-directory.md.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const name = await lockName(directory);
  const server = createServer((socket) => {
    socket.on('error', () => { socket.destroy(); });
    socket.end(`${process.pid}\n`);
  });
  server.unref();
  if (await listen(server, name)) return { directory, [Symbol.asyncDispose]: () => close(server) };
  const holder = await askHolder(name);
  throw new DomainError('HOST_RESOURCE', `another daemon (${holder}) uses ${directory}`, {
    remedy: 'stop that daemon, or give this one directories of its own (--root, --run)',
    facts: { directory, holder },
  });
}

async function lockName(directory: string): Promise<string> {
  const { dev, ino } = await stat(directory, { bigint: true });
  const key = await readOrMakeKey(directory);
  const text = `\0vivarium-lock/${dev.toString(16)}/${ino.toString(16)}/${key}/`;
  return text.padEnd(NAME_BYTES + 1, '-');
}

/** The directory's secret. When two make it at once, link(2) lets one win and both read that one's. */
async function readOrMakeKey(directory: string): Promise<string> {
  const path = join(directory, KEY_FILE);
  const temporary = join(directory, `.${KEY_FILE}.${randomBytes(6).toString('hex')}`);
  try {
    return parseKey(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  try {
    const handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(randomBytes(KEY_BYTES).toString('hex'));
    await handle.sync();
    await handle.close();
    await link(temporary, path).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
    await syncDirectory(directory);
  } finally {
    await rm(temporary, { force: true });
  }
  return parseKey(await readFile(path, 'utf8'), path);
}

function parseKey(text: string, path: string): string {
  const key = text.trim();
  if (!/^[0-9a-f]{32}$/.test(key)) throw new DomainError('HOST_RESOURCE', `${path} is not a lock key`, { remedy: `remove ${path} when no daemon uses its directory` });
  return key;
}

/** False when the name is taken. */
async function listen(server: Server, name: string): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (errnoOf(error) === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ path: name }, () => { resolve(true); });
  });
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => { resolve(); });
  });
}

/** What the holder says of itself, for the error's text alone. */
async function askHolder(name: string): Promise<string> {
  return await new Promise((resolve) => {
    const socket = createConnection({ path: name });
    let text = '';
    const answer = (): void => {
      socket.destroy();
      resolve(/^\d+\n$/.test(text) ? `process ${text.trim()}` : 'it does not answer');
    };
    socket.setTimeout(500, answer);
    socket.on('data', (chunk) => { text += chunk.toString('latin1'); });
    socket.on('error', answer);
    socket.on('end', answer);
  });
}
