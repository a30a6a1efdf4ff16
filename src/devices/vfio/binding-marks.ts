import type { Files } from '../../core/ports/host.ts';
import { parsePciAddress } from './pci-address.ts';

/** What is kept of a function that was taken from the host: whose it is, and what the host gets back. */
export interface BindingMark {
  readonly address: string;
  /** Full id of the sandbox. */
  readonly sandboxId: string;
  readonly deviceId: string;
  /** Empty: no driver had it. */
  readonly driver: string;
  /** What its `driver_override` said. */
  readonly override: string;
  /** A host that booted anew has given everything back by itself. */
  readonly bootId: string;
}

const VERSION = 1;
const MOST_BYTES = 4096;

/**
 * One file for each function, written before it is touched and removed once the host has it back. It outlives the daemon and every record, so a driver
 * is given back also by a daemon that knows nothing else of the sandbox.
 */
export class BindingMarks {
  readonly #directory: string;
  readonly #files: Pick<Files, 'read' | 'publish' | 'remove' | 'makeDirectory'>;
  readonly #names: (directory: string) => Promise<readonly string[]>;

  constructor(directory: string, files: Pick<Files, 'read' | 'publish' | 'remove' | 'makeDirectory'>, names: (directory: string) => Promise<readonly string[]>) {
    this.#directory = directory;
    this.#files = files;
    this.#names = names;
  }

  async write(mark: BindingMark): Promise<void> {
    await this.#files.makeDirectory(this.#directory);
    await this.#files.publish(this.#path(mark.address), `${JSON.stringify({ version: VERSION, ...mark })}\n`);
  }

  /** Undefined: it is nobody's, or what is there is no mark. */
  async read(address: string): Promise<BindingMark | undefined> {
    const bytes = await this.#files.read(this.#path(address), MOST_BYTES);
    return bytes === undefined ? undefined : parse(address, Buffer.from(bytes).toString('utf8'));
  }

  async all(): Promise<readonly BindingMark[]> {
    const addresses = (await this.#names(this.#directory)).flatMap((name) => (name.endsWith('.json') ? [parsePciAddress(name.slice(0, -'.json'.length)) ?? ''] : [])).filter((address) => address !== '');
    return (await Promise.all(addresses.map((address) => this.read(address)))).filter((mark) => mark !== undefined);
  }

  async remove(address: string): Promise<void> {
    await this.#files.remove(this.#path(address));
  }

  #path(address: string): string {
    return `${this.#directory}/${address}.json`;
  }
}

function parse(address: string, text: string): BindingMark | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('version' in value) || value.version !== VERSION) return undefined;
    const word = (name: string): string => {
      const found = (value as Readonly<Record<string, unknown>>)[name];
      if (typeof found !== 'string') throw new TypeError(`${name} is no text`);
      return found;
    };
    if (word('address') !== address) return undefined;
    return { address, sandboxId: word('sandboxId'), deviceId: word('deviceId'), driver: word('driver'), override: word('override'), bootId: word('bootId') };
  } catch {
    // Written by somebody else, or broken: nobody can tell what the host should get back.
    return undefined;
  }
}
