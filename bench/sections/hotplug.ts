import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient, phaseMs } from '../daemon/client.ts';
import { against, ratioFigure } from '../figure.ts';
import type { Outcome, Section, SectionContext } from '../figure.ts';
import { GuestScript } from '../raw/guest-script.ts';
import { RawQmp } from '../raw/raw-qmp.ts';
import { RawVm } from '../raw/raw-vm.ts';
import { digits, median, timed } from '../stats.ts';

const ROUNDS = 40;
const DISK_BYTES = 16 * 1024 * 1024;
const DISK = 'disk';

const ROWS = {
  plug: { name: 'hotplug of a disk, request → visible in the guest, over raw QMP and polling by hand', target: '≤ 1.1' },
  unplug: { name: 'its unplug, request → gone in the guest and closed, over the same by hand', target: '≤ 1.1' },
} as const;

/**
 * Waits for the disk without a fork: a poll that starts a process each time would take the guest's one processor from what it waits for.
 * Nothing is ever written into the pipe, so each read takes its time-out.
 */
const POLLER = `
mkfifo /tmp/p 2>/dev/null; exec 3<>/tmp/p
look() { read -t 0.005 -u 3 x; }
echo up
until [ -e /sys/block/vda ]; do look; done; echo seen
while [ -e /sys/block/vda ]; do look; done; echo gone`;

class Samples {
  readonly plug: number[] = [];
  readonly unplug: number[] = [];
  readonly rawPlug: number[] = [];
  readonly rawUnplug: number[] = [];
  readonly parts: Record<string, number[]> = {};
}

/** One sandbox of the daemon's and the same VM by hand; a disk comes and goes in each of them in turns. */
export const HOTPLUG: Section = {
  name: 'hotplug',
  limitMs: 240_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    await using daemon = await TestDaemon.start();
    using client = new BenchClient(daemon.host);
    const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: {} }, { signal: context.signal });
    if (sandbox === undefined) throw new Error('no sandbox in the reply');
    // What is polled by hand has a container; so has ours.
    await client.sleeper(sandbox.id, context.signal);
    await using vm = await RawVm.boot(sandbox.vmmArgv, `${daemon.run}/s/${sandbox.shortId}`, context.signal);
    await vm.firstExec(context.signal);
    using qmp = await RawQmp.connect(vm.qmpSocket, context.signal);
    const ours: Ours = { client, sandboxId: sandbox.id, path: disk(daemon.home, 'ours') };
    const raw: Raw = { vm, qmp, path: disk(daemon.home, 'raw') };
    await ourRound(ours, new Samples(), context.signal);
    await rawRound(raw, new Samples(), context.signal);
    const samples = new Samples();
    for (let round = 0; round < context.rounds(ROUNDS); round += 1) {
      await ourRound(ours, samples, context.signal);
      await rawRound(raw, samples, context.signal);
    }
    report(samples, context);
    return outcome(samples);
  },
};

interface Ours {
  readonly client: BenchClient;
  readonly sandboxId: string;
  readonly path: string;
}

interface Raw {
  readonly vm: RawVm;
  readonly qmp: RawQmp;
  readonly path: string;
}

function disk(directory: string, name: string): string {
  const path = join(directory, `${name}.img`);
  writeFileSync(path, '');
  truncateSync(path, DISK_BYTES);
  return path;
}

async function ourRound({ client, sandboxId, path }: Ours, samples: Samples, signal: AbortSignal): Promise<void> {
  const attached = await timed(() => client.devices.attachDevice({ requestId: '', sandboxId, device: { id: DISK, kind: { $case: 'block', value: { path } } } }, { signal }));
  const detached = await timed(() => client.devices.detachDevice({ requestId: '', sandboxId, deviceId: DISK }, { signal }));
  samples.plug.push(attached.ms);
  samples.unplug.push(detached.ms);
  for (const { name } of attached.value.phases) (samples.parts[`attach phase ${name}, ms`] ??= []).push(phaseMs(attached.value.phases, name));
  for (const { name } of detached.value.phases) (samples.parts[`detach phase ${name}, ms`] ??= []).push(phaseMs(detached.value.phases, name));
}

/** What somebody with a monitor and a shell in the guest would do, and no more. */
async function rawRound({ vm, qmp, path }: Raw, samples: Samples, signal: AbortSignal): Promise<void> {
  const script = await GuestScript.start(vm.raw.agent, vm.containerId, POLLER, signal);
  await script.says('up');
  const plugged = await timed(async () => {
    await qmp.execute('blockdev-add', { 'driver': 'raw', 'node-name': 'disk0', 'file': { driver: 'file', filename: path, aio: 'threads' } });
    await qmp.execute('device_add', { driver: 'virtio-blk-pci', id: 'dev0', bus: 'port0', drive: 'disk0', serial: 'by-hand' });
    await script.says('seen');
  });
  const unplugged = await timed(async () => {
    const deleted = qmp.next(({ event, data }) => event === 'DEVICE_DELETED' && data?.['device'] === 'dev0');
    await qmp.execute('device_del', { id: 'dev0' });
    await deleted;
    await script.says('gone');
    await qmp.execute('blockdev-del', { 'node-name': 'disk0' });
  });
  await script.over;
  samples.rawPlug.push(plugged.ms);
  samples.rawUnplug.push(unplugged.ms);
}

function report({ plug, rawPlug, unplug, rawUnplug, parts }: Samples, { say }: SectionContext): void {
  say(`plug ${against(plug, rawPlug, 'ms')}, unplug ${against(unplug, rawUnplug, 'ms')}; ${digits(plug.length)} of each`);
  for (const [name, values] of Object.entries(parts)) say(`${name} ${digits(median(values))}`);
}

function outcome({ plug, rawPlug, unplug, rawUnplug, parts }: Samples): Outcome {
  const by = 'by hand: blockdev-add, device_add, and a shell in the guest that looks for /sys/block/vda every 5 ms';
  return {
    figures: [
      ratioFigure({ ...ROWS.plug, atMost: 1.1, note: `${against(plug, rawPlug, 'ms')}; ${by}. Ours writes its record down twice besides` }, plug, rawPlug),
      ratioFigure({ ...ROWS.unplug, atMost: 1.1, note: `${against(unplug, rawUnplug, 'ms')}; by hand: device_del, DEVICE_DELETED, the shell sees it gone, blockdev-del. Ours asks the guest first whether it holds the disk, and writes its record down three times` }, unplug, rawUnplug),
    ],
    samples: { 'attach through the API, ms': plug, 'plug by hand, ms': rawPlug, 'detach through the API, ms': unplug, 'unplug by hand, ms': rawUnplug, ...parts },
  };
}
