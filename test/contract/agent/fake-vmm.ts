import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { GuestAgent } from '../../../src/core/ports/agent.ts';
import type { Clock } from '../../../src/core/ports/host.ts';
import { SystemClock } from '../../../src/host/system-clock.ts';
import { containerSpec } from '../../fakes/agent/specs.ts';
import type { AgentKind, AgentUnderTest } from './agent-under-test.ts';
import { CuttingDialer, realConnector, realTokens } from './connector-under-test.ts';

/** The binary that cargo built; a missing one is a failure and no skip. */
function binary(): string {
  const candidates = [process.env['VIVARIUM_FAKE_VMM'], 'target/x86_64-unknown-linux-gnu/release/fake-vmm', 'target/release/fake-vmm'];
  const found = candidates.find((path) => path !== undefined && existsSync(path));
  if (found === undefined) throw new Error('no fake-vmm: build it with "cargo build --release -p fake-vmm"');
  return resolve(found);
}

export interface FakeVmm extends AgentUnderTest {
  readonly process: ChildProcess;
  connect(deadlineMs?: number): Promise<GuestAgent>;
}

/** A fake VMM process with its agent's port, and the faults it was started with. */
export async function startFakeVmm(kind: 'viv-agent' | 'kata', faults = '', clock: Clock = new SystemClock()): Promise<FakeVmm> {
  const directory = await mkdtemp('/tmp/vv-fvm-');
  const socketPath = join(directory, 'agent.sock');
  const append = faults === '' ? 'quiet' : `quiet fake.fault=${faults}`;
  const child = spawn(binary(), [
    '-qmp', `unix:${directory}/qmp.sock,server=on,wait=off`,
    '-chardev', `socket,id=agent0,path=${socketPath},server=on,wait=off`,
    '-device', 'virtio-serial-pci,id=serial0', '-device', 'virtserialport,bus=serial0.0,nr=1,chardev=agent0,name=org.vivarium.agent.0',
    '-m', '64M', '-append', append,
  ], { stdio: ['ignore', 'ignore', 'inherit'] });
  const dialer = new CuttingDialer();
  const connector = realConnector(dialer, clock);
  return {
    process: child,
    connect: (deadlineMs = 5000) => connector.connect({ kind, transport: 'virtio-serial', socketPath, tokenFile: join(directory, 'tokens') }, { deadlineMs }),
    cut: () => { dialer.cut(); },
    write: (bytes) => { dialer.write(bytes); },
    link: { tokens: realTokens(), tokenFile: join(directory, 'tokens'), dial: () => dialer.dial(socketPath, { deadlineMs: 1000 }) },
    sandbox: { sandboxId: 'sandbox', hostname: 'sandbox', dns: [], storages: [], sharedPidNamespace: false },
    spec: (args) => containerSpec(args),
    spew: (bytes) => ['spew', String(bytes)],
    [Symbol.asyncDispose]: async () => {
      dialer.cut();
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const FAKE_VMM: readonly AgentKind[] = [
  { name: 'viv-agent in a fake VMM', kind: 'viv-agent', start: () => startFakeVmm('viv-agent') },
  { name: 'official in a fake VMM', kind: 'kata', start: () => startFakeVmm('kata') },
];
