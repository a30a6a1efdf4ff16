import type { AppendFile, StoreFiles } from '../../src/store/store-files.ts';

/** The store's files in memory: what was written is what a killed process leaves. */
export class MemoryStoreFiles implements StoreFiles {
  readonly content = new Map<string, Buffer>();
  /** What appends fail with, while it is set. */
  full: Error | undefined;
  syncs = 0;

  async makeDirectory(): Promise<void> {}

  async publish(path: string, bytes: Uint8Array): Promise<void> {
    this.content.set(path, Buffer.from(bytes));
  }

  async read(path: string, limitBytes: number): Promise<Uint8Array | undefined> {
    return this.content.get(path)?.subarray(0, limitBytes + 1);
  }

  async readRange(path: string, start: number, length: number): Promise<Uint8Array | undefined> {
    return this.content.get(path)?.subarray(start, start + length);
  }

  async list(directory: string): Promise<readonly string[]> {
    return [...this.content.keys()].filter((path) => path.startsWith(`${directory}/`)).map((path) => path.slice(directory.length + 1)).sort();
  }

  async rename(from: string, to: string): Promise<void> {
    this.content.set(to, this.#of(from));
    this.content.delete(from);
  }

  async remove(path: string): Promise<void> {
    this.content.delete(path);
  }

  async removeTree(path: string): Promise<void> {
    for (const name of [...this.content.keys()].filter((key) => key.startsWith(path))) this.content.delete(name);
  }

  async openAppend(path: string): Promise<AppendFile> {
    const file = this.content.get(path) ?? Buffer.alloc(0);
    this.content.set(path, file);
    let size = file.length;
    return {
      get size() {
        return size;
      },
      append: async (bytes) => {
        // A disk that fills takes a part.
        const taken = this.full === undefined ? bytes : bytes.subarray(0, bytes.length / 2);
        this.content.set(path, Buffer.concat([this.#of(path).subarray(0, size), taken]));
        if (this.full !== undefined) throw this.full;
        size += bytes.length;
      },
      truncate: async (length) => {
        this.content.set(path, this.#of(path).subarray(0, length));
        size = length;
      },
      sync: async () => { this.syncs += 1; },
      close: async () => {},
    };
  }

  #of(path: string): Buffer {
    const bytes = this.content.get(path);
    if (bytes === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return bytes;
  }
}
