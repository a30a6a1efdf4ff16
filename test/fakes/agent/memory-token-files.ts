import type { TokenFiles } from '../../../src/agents/link/token-store.ts';

/** Files in memory, as far as the token store needs them. */
export class MemoryTokenFiles implements TokenFiles {
  readonly files = new Map<string, string>();
  /** What the next write fails with. */
  failure: Error | undefined;

  async readFile(path: string): Promise<string> {
    const text = this.files.get(path);
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return text;
  }

  async writeFile(path: string, data: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.files.set(path, data);
  }

  async rename(from: string, to: string): Promise<void> {
    this.files.set(to, await this.readFile(from));
    this.files.delete(from);
  }

  /** The tokens in a file, as hex. */
  tokens(path: string): string[] {
    return (this.files.get(path) ?? '').trimEnd().split('\n').slice(1);
  }
}
