import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const LAB = join(HERE, '../../scripts/lab.sh');

/** What a script that ran in the lab (scripts/lab.sh) said of what it saw, as lines `FACT name value`. */
export class LabReport {
  /** All that was said: for whoever reads why a check failed. */
  readonly text: string;
  readonly #facts: ReadonlyMap<string, string>;

  constructor(text: string) {
    this.text = text;
    const lines = text.matchAll(/^FACT (\S+) ?(.*)$/gm);
    this.#facts = new Map([...lines].map(([, name = '', value = '']) => [name, value.trim()]));
  }

  /** Undefined: the script did not get that far. */
  fact(name: string): string | undefined {
    return this.#facts.get(name);
  }

  facts(...names: readonly string[]): readonly (string | undefined)[] {
    return names.map((name) => this.#facts.get(name));
  }

  /** NaN when it was not told, or is none. */
  number(name: string): number {
    return Number(this.#facts.get(name) ?? 'NaN');
  }
}

/** Runs a script of this directory in the lab. Rejects, with all that was said, unless the last thing it does is to say that the end is reached. */
export async function inTheLab(script: string): Promise<LabReport> {
  const child = spawn(LAB, [join(HERE, script)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString(); });
  await once(child, 'close');
  const report = new LabReport(text);
  if (report.fact('end') !== 'reached') throw new Error(`the lab did not come to its end:\n${text}`);
  return report;
}
