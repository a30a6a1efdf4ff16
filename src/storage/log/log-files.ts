import { constants } from 'node:fs';
import { mkdir, open, readdir, unlink } from 'node:fs/promises';

/** One open segment. */
export interface SegmentFile {
  size(): Promise<number>;
  /** Fewer bytes than asked for only at the end of the file. */
  read(into: Buffer, position: number): Promise<number>;
  /** All bytes, or an error after some. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** The file operations of logs, in one place so that a test can make any of them fail. All reject with Node's errno errors. */
export interface LogFiles {
  makeDirectory(path: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  /** Undefined when it is gone. */
  openToRead(path: string): Promise<SegmentFile | undefined>;
  openToWrite(path: string): Promise<SegmentFile>;
  remove(path: string): Promise<void>;
}

async function openSegment(path: string, flags: number): Promise<SegmentFile> {
  const file = await open(path, flags, 0o600);
  return {
    async size() {
      return (await file.stat()).size;
    },
    async read(into, position) {
      let filled = 0;
      while (filled < into.length) {
        const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    },
    async write(bytes, position) {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
        at += bytesWritten;
      }
    },
    truncate: async (size) => { await file.truncate(size); },
    close: async () => { await file.close(); },
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

export function nodeLogFiles(): LogFiles {
  return {
    async makeDirectory(path) {
      await mkdir(path, { recursive: true, mode: 0o700 });
    },
    list: async (path) => await readdir(path),
    async openToRead(path) {
      try {
        return await openSegment(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    openToWrite: async (path) => await openSegment(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW),
    async remove(path) {
      try {
        await unlink(path);
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    },
  };
}
