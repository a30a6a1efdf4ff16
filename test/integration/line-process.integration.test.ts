import { describe, expect, it } from 'vitest';
import { startLineProcess } from '../../src/daemon/node-line-process.ts';

async function linesOf(lines: AsyncIterable<string>): Promise<string[]> {
  const list: string[] = [];
  for await (const line of lines) list.push(line);
  return list;
}

describe('a child read line by line', () => {
  it('gives its lines, its code and the end of its stderr', async () => {
    const child = startLineProcess('/bin/sh', ['-c', 'echo one; echo two; echo bad >&2; exit 3'], { cwd: '/' });
    expect(await linesOf(child.lines)).toEqual(['one', 'two']);
    expect(await child.exit).toEqual({ code: 3, stderrTail: 'bad' });
  });

  it('is ended when the signal aborts', async () => {
    const abort = new AbortController();
    const child = startLineProcess('/bin/sh', ['-c', 'echo up; exec sleep 60'], { cwd: '/', signal: abort.signal });
    for await (const line of child.lines) {
      expect(line).toBe('up');
      abort.abort();
    }
    expect(await child.exit).toMatchObject({ code: -1 });
  });

  it('tells that it could not be started', async () => {
    const child = startLineProcess('/nowhere/program', [], { cwd: '/' });
    expect(await linesOf(child.lines)).toEqual([]);
    expect((await child.exit).stderrTail).toContain('ENOENT');
  });
});
