import type { OutputStream } from '../host.ts';
import { describeBytes } from './quantity.ts';

export interface LayerProgress {
  readonly step: string;
  /** Digest of its blob; empty: of the whole. */
  readonly layer: string;
  readonly doneBytes: bigint;
  /** 0n: not known. */
  readonly totalBytes: bigint;
}

const barWidth = 24;
const shownDigits = 12;

/** How far each layer is: on a terminal one bar a layer, drawn over itself; elsewhere one line for each step of a layer. */
export class LayerBars implements Disposable {
  readonly #stream: OutputStream;
  readonly #layers = new Map<string, LayerProgress>();
  #drawn = 0;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  show(progress: LayerProgress): void {
    const before = this.#layers.get(progress.layer);
    this.#layers.set(progress.layer, progress);
    if (this.#stream.isTTY === true) this.#draw();
    else if (before?.step !== progress.step) this.#stream.write(`${layerText(progress)}\n`);
  }

  /** What is drawn stays. */
  [Symbol.dispose](): void {
    this.#drawn = 0;
  }

  #draw(): void {
    const width = this.#stream.columns ?? 80;
    const most = Math.max(1, (this.#stream.rows ?? 24) - 2);
    const all = [...this.#layers.values()].filter(({ layer }) => layer !== '' || this.#layers.size === 1).map(barText);
    // More layers than lines: the last that began are the ones that move.
    const hidden = Math.max(0, all.length - most);
    const lines = [...(hidden > 0 ? [`${hidden} more`] : []), ...all.slice(hidden)];
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    this.#stream.write(`${up}${lines.map((line) => `\r\u001b[K${line.slice(0, width - 1)}\n`).join('')}\u001b[J`);
    this.#drawn = lines.length;
  }
}

/** `4f4fb700ef54: fetching 12 MiB` */
export function layerText({ layer, step, totalBytes }: LayerProgress): string {
  const size = totalBytes === 0n || step === 'done' || step === 'exists' ? '' : ` ${describeBytes(totalBytes)}`;
  return `${layer === '' ? '' : `${shortDigest(layer)}: `}${step}${size}`;
}

/** `4f4fb700ef54 fetching   [########----------------]  33 % 12 MiB` */
export function barText({ layer, step, doneBytes, totalBytes }: LayerProgress): string {
  const head = layer === '' ? step : `${shortDigest(layer)} ${step.padEnd(10)}`;
  if (step === 'done' || step === 'exists' || step === 'waiting') return head.trimEnd();
  // How much a root file system is, is known at its end.
  if (totalBytes === 0n) return doneBytes === 0n ? head.trimEnd() : `${head.trimEnd()} ${describeBytes(doneBytes)}`;
  const share = Math.min(1, Number(doneBytes) / Number(totalBytes));
  const filled = Math.round(share * barWidth);
  return `${head} [${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}] ${String(Math.floor(share * 100)).padStart(3)} % ${describeBytes(totalBytes)}`;
}

function shortDigest(digest: string): string {
  const colon = digest.indexOf(':');
  return digest.slice(colon + 1, colon + 1 + shownDigits);
}
