import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VmEvent, VmSession, VmSpec } from '../../src/core/ports/hypervisor.ts';
import { realDriver, vmSpec } from './qemu-parts.ts';

/** The VMM that looks like QEMU and misbehaves on command (crates/fake-vmm). */
function fakeVmm(): string {
  const found = [process.env['VIVARIUM_FAKE_VMM'], 'target/x86_64-unknown-linux-gnu/release/fake-vmm', 'target/release/fake-vmm'].find((path) => path !== undefined && existsSync(path));
  if (found === undefined) throw new Error('no fake-vmm: build it with "cargo build --release -p fake-vmm"');
  return resolve(found);
}

let directory: string;
let parts: ReturnType<typeof realDriver>;
let session: VmSession | undefined;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/vv-flt-');
  await mkdir(join(directory, 'run'));
  await writeFile(join(directory, 'kernel'), '');
  parts = realDriver(join(directory, 'cache'));
});
afterEach(async () => {
  await session?.kill();
  session?.release();
  session = undefined;
  await rm(directory, { recursive: true, force: true });
});

function spec(fault: string, more: Partial<VmSpec> = {}): VmSpec {
  return vmSpec(join(directory, 'run'), { vmmPath: fakeVmm(), kernel: join(directory, 'kernel'), kernelParams: fault === '' ? '' : `fake.fault=${fault}`, ...more });
}

/** A VMM that misbehaves before it reads its kernel parameters. */
async function wrapped(fault: string): Promise<VmSpec> {
  const path = join(directory, 'vmm');
  await writeFile(path, `#!/bin/sh\nexec ${fakeVmm()} --fake-fault=${fault} "$@"\n`);
  await chmod(path, 0o755);
  return spec('', { vmmPath: path });
}

async function launch(fault: string): Promise<{ session: VmSession; next: (kind: VmEvent['kind']) => Promise<void> }> {
  const launched = (session = await parts.driver.launch(spec(fault), {}));
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  launched.onEvent(({ kind }) => {
    seen.add(kind);
    waiting.get(kind)?.();
  });
  const next = async (kind: VmEvent['kind']): Promise<void> => {
    if (!seen.has(kind)) await new Promise<void>((wake) => { waiting.set(kind, wake); });
  };
  return { session: launched, next };
}

async function nothingIsLeft(): Promise<void> {
  const left = await parts.launcher.adopt(join(directory, 'run', 'vmm'));
  await left?.ended;
  expect(left?.end?.kind).not.toBe('unknown');
  left?.release();
}

describe('a VMM that misbehaves', () => {
  it('does what it should without a fault', async () => {
    const { session: vm, next } = await launch('');
    await vm.pause();
    await next('paused');
    await vm.resume();
    await next('resumed');
    await expect(vm.kill()).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
  });

  it.each(['qmp-unknown-fields', 'qmp-huge-line', 'qmp-event-flood'])('%s is borne', async (fault) => {
    const { session: vm, next } = await launch(fault);
    await vm.pause();
    await next('paused');
    await expect(vm.status()).resolves.toBe('paused');
  });

  it('garbage in place of a greeting ends the start, and the process', async () => {
    await expect(parts.driver.launch(spec('qmp-garbage'), {})).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    await nothingIsLeft();
  });

  it('an exit at once is told with its stderr', async () => {
    await expect(parts.driver.launch(spec('exit-at-start:3'), {})).rejects.toMatchObject({ reason: 'VMM_EXITED', details: { facts: { code: '3', stderr: expect.stringContaining('exit-at-start') as unknown } } });
    await nothingIsLeft();
  });

  it('one that is too old is refused before it is started', async () => {
    await expect(parts.driver.launch(await wrapped('old-version'), {})).rejects.toMatchObject({ reason: 'VMM_NOT_USABLE', message: expect.stringContaining('4.2.0 is too old') as unknown });
  });

  it('a monitor that closes is connected again', async () => {
    const { session: vm, next } = await launch('qmp-closes-after:2');
    await expect(vm.pause()).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    await next('monitor-lost');
    await next('monitor-back');
    await vm.pause();
    await expect(vm.status()).resolves.toBe('paused');
  });

  it('a death at a command is told as the end of the process', async () => {
    const { session: vm } = await launch('die-on:stop');
    await expect(vm.pause()).rejects.toMatchObject({ reason: 'VMM_EXITED' });
    await expect(vm.ended).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
  });

  it('a panic at boot stops the VM and leaves it for evidence', async () => {
    const { session: vm, next } = await launch('boot-panic');
    await next('guest-panic');
    await expect(vm.status()).resolves.toBe('guest-panicked');
    // The launcher reads the console at its own pace.
    await expect.poll(async () => await vm.consoleTail(4096)).toMatch(/panic/i);
  });

  it('a guest that powers off is ended, although QEMU ignores quit', async () => {
    const { session: vm, next } = await launch('ignore-quit');
    await vm.powerDown();
    await next('guest-shutdown');
    await expect(vm.ended).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
  });
});
