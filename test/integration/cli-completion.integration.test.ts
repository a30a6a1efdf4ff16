import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerState } from '../../src/gen/vivarium/v1/container.ts';
import { skippable } from '../skip.ts';
import { FakeDaemon } from './cli-fake-daemon.ts';

const BIN = fileURLToPath(new URL('../../bin', import.meta.url));
const installed = (name: string): boolean => (process.env['PATH'] ?? '').split(delimiter).some((directory) => existsSync(join(directory, name)));

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await FakeDaemon.start();
  daemon.addContainer({ spec: { name: 'web' }, image: 'busybox' });
  daemon.addContainer({ spec: { name: 'worker' }, image: 'busybox', state: ContainerState.CONTAINER_STATE_EXITED });
  daemon.addSandbox({ spec: { name: 'weekly' } });
});
afterAll(async () => { await daemon.stop(); });

/** Runs a script in a shell that finds `viv` on its path, and answers the lines that it prints. */
async function linesOf(shell: string, flags: readonly string[], script: string, host = daemon.address): Promise<string[]> {
  const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}`, VIVARIUM_HOST: host };
  const { stdout } = await promisify(execFile)(shell, [...flags, '-c', script], { env });
  return stdout.split('\n').filter((line) => line !== '');
}

describe('viv completion bash', () => {
  const candidates = async (line: string, host?: string): Promise<string[]> =>
    await linesOf('bash', ['--norc', '--noprofile'], `source <(viv completion bash)
complete -p viv > /dev/null || exit 1
COMP_LINE=${JSON.stringify(line)} COMP_POINT=${line.length}
_viv viv
printf '%s\\n' "\${COMPREPLY[@]}"`, host);

  it.each<[line: string, offered: string[]]>([
    ['viv ev', ['events']],
    ['viv sandbox pa', ['pause']],
    ['viv run --cpus', ['--cpus', '--cpuset-cpus']],
    ['viv exec we', ['web']],
    ['viv stop web wo', ['worker']],
    ['viv sandbox rm -f ', ['weekly']],
    ['viv inspect we', ['web', 'weekly']],
    ['viv run --profile ', ['default']],
    ['viv guest build ', ['default']],
    // bash takes what is behind the = for the word.
    ['viv run --profile=', ['default']],
    ['viv ps --output=w', ['wide']],
    ['viv daemon start --root /pro', ['/proc']],
    ['viv exec web cat /etc/passw', ['/etc/passwd']],
  ])('offers for "%s" %j', async (line, offered) => {
    await expect(candidates(line)).resolves.toEqual(expect.arrayContaining(offered));
  });

  it('offers an id once it has begun to be typed', async () => {
    const [container] = daemon.containers.values();
    await expect(candidates(`viv exec ${container?.shortId.slice(0, 9) ?? ''}`)).resolves.toEqual(expect.arrayContaining([container?.shortId]));
  });

  it('asks the daemon that the line names, and offers no names when there is none', async () => {
    await expect(candidates(`viv --host ${daemon.address} exec we`, 'unix:/nonexistent')).resolves.toEqual(['web']);
    await expect(candidates('viv exec we', 'unix:/nonexistent')).resolves.toEqual([]);
  });
});

describe('viv completion for other shells', () => {
  skippable('zsh', !installed('zsh')).it('zsh is handed words with what they are about', async () => {
    const lines = await linesOf('zsh', ['-f'], `compdef() { : }
_describe() { print -l -- "\${(@P)\${@[-1]}}" }
_files() { print "files $*" }
source <(viv completion zsh)
words=(viv exec we) CURRENT=3; _viv
words=(viv run --rootfs /pro) CURRENT=4; _viv`);
    expect(lines).toEqual(['web:busybox running', 'files -/']);
  });

  skippable('fish', !installed('fish')).it('fish completes words, names and paths', async () => {
    const lines = await linesOf('fish', ['--no-config'], `viv completion fish | source
complete -C 'viv exec we'
complete -C 'viv ps -o w'
complete -C 'viv run --rootfs /pro'`);
    expect(lines).toEqual(['web\tbusybox running', 'wide', expect.stringContaining('/proc/')]);
  });
});
