import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Conditions } from './conditions.ts';
import type { Figure, Outcome, Section } from './figure.ts';
import { notMeasured } from './figure.ts';
import { REPOSITORY, RESULTS } from './paths.ts';
import { digits } from './stats.ts';

/** One section's results, as they are kept in results/NAME.json. */
export interface SectionResult extends Outcome {
  readonly section: string;
  readonly conditions: Conditions;
}

const INTRODUCTION = `# What was measured

Written by \`make bench\`; the raw samples are in \`results/\`. Each figure stands against its bare limit in the same run: a ratio of medians.
p95 is that of our side's samples, over the median of the limit. A section's figures belong to one run, whose conditions stand below.
`;

export function keep(result: SectionResult): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${result.section}.json`), `${JSON.stringify(result, rounded, 1).replace(/\[\s+(-?\d[^\]]*?)\s+\]/g, (_all, numbers: string) => `[${numbers.replace(/\s+/g, ' ')}]`)}\n`);
}

/** Writes RESULTS.md from what the sections have left. */
export function writeReport(sections: readonly Section[]): void {
  writeFileSync(join(REPOSITORY, 'bench/RESULTS.md'), reportText(sections.map((section) => ({ section, result: read(section.name) }))));
}

export function figureLine(figure: Figure): string {
  const value = figure.median === undefined || Number.isNaN(figure.median) ? 'not measured' : `${digits(figure.median)} ${figure.unit}`;
  const high = figure.p95 === undefined || Number.isNaN(figure.p95) ? '' : `${digits(figure.p95)} ${figure.unit}`;
  return `| ${figure.name} | ${figure.target} | ${value} | ${high} | ${verdict(figure)} | ${figure.note.replaceAll('|', '\\|')} |`;
}

interface Entry {
  readonly section: Section;
  readonly result: SectionResult | undefined;
}

function reportText(entries: readonly Entry[]): string {
  const figures = entries.map(({ section, result }) => result?.figures ?? section.rows.map((row) => notMeasured(row, 'this section has not been run')));
  const missed = figures.flat().filter((figure) => figure.target !== '-' && figure.reached !== true);
  const rows = figures.flat().map(figureLine).join('\n');
  const short = missed.length === 0 ? 'Every target was reached.' : `Short of the target, or not measured: ${missed.map(({ name }) => name).join('; ')}.`;
  return [INTRODUCTION, `| figure | target | median | p95 | reached | what against what |\n|---|---|---|---|---|---|\n${rows}\n`, `${short}\n`, repeats(), '## Conditions\n', conditionsTable(entries), ''].join('\n');
}

/** Sections that were run more than once are kept as well: what fell short in any of them is told. */
function repeats(): string {
  const directory = join(RESULTS, 'repeat');
  if (!existsSync(directory)) return '';
  const lines = readdirSync(directory).sort().map((name) => {
    const { section, conditions, figures } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as SectionResult;
    const missed = figures.filter(({ target, reached }) => target !== '-' && reached !== true).map((figure) => `${figure.name} (${digits(figure.median ?? NaN)} ${figure.unit})`);
    return `- [${section}](results/repeat/${name}), ${conditions.date}, load ${load(conditions.before)} before and ${load(conditions.after)} after. Short of the target: ${missed.length === 0 ? 'nothing' : missed.join('; ')}.`;
  });
  return `Run once more, under another load:\n\n${lines.join('\n')}\n`;
}

function conditionsTable(entries: readonly Entry[]): string {
  const rows = entries.flatMap(({ result }) => {
    if (result === undefined) return [];
    const { date, commit, before, after } = result.conditions;
    return [`| ${result.section} | ${date} | ${commit} | ${load(before)} | ${load(after)} | [${result.section}.json](results/${result.section}.json) |`];
  });
  const machines = new Set(entries.flatMap(({ result }) => (result === undefined ? [] : [machine(result.conditions)])));
  return `${[...machines].join('\n')}\n\n| section | date | commit | load before | load after | raw samples |\n|---|---|---|---|---|---|\n${rows.join('\n')}`;
}

function machine({ cpu, cpus, memoryMib, kernel, qemu, node }: Conditions): string {
  return `${cpus} CPUs (${cpu}), ${memoryMib} MiB, ${kernel}, ${qemu}, accelerator tcg, Node ${node}.`;
}

function load(text: string): string {
  return /load average: (.*)$/.exec(text)?.[1] ?? text;
}

function verdict({ reached, target, median }: Figure): string {
  if (target === '-') return '-';
  if (reached === undefined || median === undefined) return 'not measured';
  return reached ? 'yes' : '**no**';
}

function read(name: string): SectionResult | undefined {
  const path = join(RESULTS, `${name}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as SectionResult) : undefined;
}

/** A microsecond is finer than anything here. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}
