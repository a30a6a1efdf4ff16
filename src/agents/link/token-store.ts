import { DomainError } from '../../core/model/errors.ts';
import type { Token } from './blocks.ts';
import { BOOT_TOKEN, TOKEN_BYTES } from './blocks.ts';

/** Every file operation that the store needs, as `node:fs/promises` has them. */
export interface TokenFiles {
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  writeFile(path: string, data: string, options: { mode: number }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
}

const FIRST_LINE = 'vivarium-link 1';
const TOKEN_LINE = /^[0-9a-f]{32}$/;

/**
 * More half-way deaths in a row than this lose tokens of the middle: the guest most likely holds the oldest (it never heard us) or a late one.
 */
const MOST_TOKENS = 32;

/**
 * The tokens that a guest may hold, oldest first, in a file of text lines, mode 0600, replaced by rename. Not fsynced: it has to survive the daemon,
 * not the host.
 */
export class TokenStore {
  readonly #files: TokenFiles;

  constructor(files: TokenFiles) {
    this.#files = files;
  }

  /** Only the boot token when there is no file. AGENT_UNREACHABLE when there is one that can't be read. */
  async load(path: string): Promise<readonly Token[]> {
    let text: string;
    try {
      text = await this.#files.readFile(path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return [BOOT_TOKEN];
      throw damaged(path, error);
    }
    const [first, ...lines] = text.trimEnd().split('\n');
    if (first !== FIRST_LINE || lines.length === 0 || !lines.every((line) => TOKEN_LINE.test(line))) throw damaged(path, undefined);
    return lines.map((line) => Buffer.from(line, 'hex'));
  }

  /** HOST_RESOURCE when it can't be written. */
  async save(path: string, tokens: readonly Token[]): Promise<void> {
    const kept = tokens.length > MOST_TOKENS ? [...tokens.slice(0, 1), ...tokens.slice(1 - MOST_TOKENS)] : tokens;
    const lines = kept.map((token) => Buffer.from(token.subarray(0, TOKEN_BYTES)).toString('hex'));
    try {
      await this.#files.writeFile(`${path}.new`, `${[FIRST_LINE, ...lines].join('\n')}\n`, { mode: 0o600 });
      await this.#files.rename(`${path}.new`, path);
    } catch (error) {
      throw new DomainError('HOST_RESOURCE', `the link tokens could not be written to ${path}`, {
        remedy: 'make room in the run directory',
        cause: error,
      });
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function damaged(path: string, cause: unknown): DomainError {
  return new DomainError('AGENT_UNREACHABLE', `the link tokens in ${path} can't be read, so the guest can't be greeted`, {
    remedy: 'stop and start the sandbox',
    cause,
  });
}
