import { DomainError } from '../../src/core/model/errors.ts';
import type { FileIdentity, Files } from '../../src/core/ports/host.ts';

/** Files in memory. The test looks into `content` and puts failures into `failing`. */
export class MemoryFiles implements Files {
  readonly content = new Map<string, Buffer>();
  readonly directories = new Set<string>();
  readonly failing = new Map<string, Error>();
  #inodes = new Map<string, number>();

  put(path: string, text: string): void {
    this.content.set(path, Buffer.from(text));
    this.#inodes.set(path, this.#inodes.size + 1);
  }

  text(path: string): string | undefined {
    return this.content.get(path)?.toString('utf8');
  }

  async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    this.#check(path);
    const bytes = this.content.get(path);
    if (bytes !== undefined && bytes.length > maxBytes) throw new DomainError('HOST_RESOURCE', `${path} is larger than ${maxBytes} bytes`);
    return bytes;
  }

  async tail(path: string, bytes: number): Promise<Uint8Array> {
    this.#check(path);
    const all = this.content.get(path) ?? Buffer.alloc(0);
    return all.subarray(Math.max(0, all.length - bytes));
  }

  async publish(path: string, content: Uint8Array | string): Promise<void> {
    await this.write(path, content);
  }

  async write(path: string, content: Uint8Array | string): Promise<void> {
    this.#check(path);
    this.put(path, Buffer.from(content).toString('utf8'));
  }

  async makeDirectory(path: string): Promise<void> {
    this.#check(path);
    this.directories.add(path);
  }

  async remove(path: string): Promise<void> {
    this.#check(path);
    this.content.delete(path);
  }

  async identify(path: string): Promise<FileIdentity | undefined> {
    this.#check(path);
    const bytes = this.content.get(path);
    return bytes === undefined ? undefined : { realPath: path, device: 1, inode: this.#inodes.get(path) ?? 0, sizeBytes: bytes.length, modifiedMs: 0 };
  }

  #check(path: string): void {
    const error = this.failing.get(path);
    if (error !== undefined) throw error;
  }
}
