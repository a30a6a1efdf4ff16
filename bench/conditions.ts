import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { QEMU, REPOSITORY } from './paths.ts';

/** What the figures of one section were taken on. */
export interface Conditions {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly qemu: string;
  readonly node: string;
  /** As uptime(1) prints it. */
  readonly before: string;
  readonly after: string;
}

export function conditions(before: string): Conditions {
  const cpuInfo = readFileSync('/proc/cpuinfo', 'utf8');
  return {
    date: new Date().toISOString(),
    commit: commit(),
    cpu: /^model name\s*: (.*)$/m.exec(cpuInfo)?.[1] ?? 'unknown',
    cpus: (cpuInfo.match(/^processor\s*:/gm) ?? []).length,
    memoryMib: Math.round(Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024),
    kernel: run('uname', ['-sr']),
    qemu: run(QEMU, ['--version']).split('\n')[0] ?? '',
    node: process.version,
    before,
    after: uptime(),
  };
}

export function uptime(): string {
  return run('uptime', []);
}

function commit(): string {
  try {
    const changed = run('git', ['status', '--porcelain', '--untracked-files=no', '--', 'src', 'crates', 'guest', 'proto']) === '' ? '' : ' with local changes';
    return run('git', ['rev-parse', '--short=12', 'HEAD']) + changed;
  } catch {
    // An unpacked archive can be measured too.
    return 'unknown';
  }
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: REPOSITORY, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}
