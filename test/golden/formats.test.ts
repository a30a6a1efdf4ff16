import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LauncherControl } from '../../src/host/launcher-control.ts';
import { parseIdentity, parseLauncherRecord } from '../../src/host/launcher-record.ts';
import { TokenStore } from '../../src/agents/link/token-store.ts';
import { loadConfig } from '../../src/daemon/config.ts';
import { parseImageConfig } from '../../src/storage/image-config.ts';
import { decodeHead } from '../../src/store/journal-head.ts';
import { parseSegment } from '../../src/store/journal-segment.ts';
import { decodeRecord } from '../../src/store/records.ts';
import { decodeOutcome } from '../../src/store/request-line.ts';
import { parseRequests } from '../../src/store/request-segment.ts';
import { fullRecord } from '../fakes/full-record.ts';
import { MemoryStream } from '../fakes/memory-stream.ts';

const golden = (path: string): Buffer => readFileSync(new URL(path, import.meta.url));
const INSTALL = { root: '/i', guestDir: '/i/guest', imageDirs: ['/i/images'], launcher: '/i/launcher', imageTool: '/i/image', guestBuilder: '/i/build', descriptorSet: '/i/binpb' };
const BOOT = 'a40df25d-a404-4b07-ba08-ae7f56602518';

/** What the last release wrote is read by this one. Files of a release are never changed. */
describe('of release 0.1.0 is read:', () => {
  it('a sandbox record', () => {
    const { started, vmSpec, ...rest } = fullRecord();
    // It had none yet.
    const ports = { pciePorts: 0 };
    const inShare = { kind: 'virtiofs', reason: '', disks: undefined };
    const containers = rest.containers.map((container) => ({ ...container, lowerLayers: [], imageId: '', rootfs: inShare, spec: { ...container.spec, mounts: [], devices: [], rootfsMode: 'auto' } }));
    const spec = { ...rest.spec, workload: { ...rest.spec.workload, images: false } };
    const known = { ...rest, spec, profile: { ...rest.profile, ...ports }, vmSpec: { ...vmSpec, ...ports, diskController: false }, devices: [], containers };
    expect(started).toBe(true);
    expect(decodeRecord(golden('records/0.1.0.json'))).toEqual(known);
  });

  it('the event journal', () => {
    expect(decodeHead(golden('events/0.1.0/head.json'))).toEqual({ reserved: 1000n, bootId: 'boot' });
    const { events, corrupt } = parseSegment(golden('events/0.1.0/00000000000000000001.jsonl'), 1n);
    expect(corrupt).toBe(false);
    expect(events.map(({ event }) => event)).toMatchObject([{ type: 'SANDBOX_READY' }, { type: 'CONTAINER_EXITED', message: 'wörds', cause: 'CONTAINER_EXIT', exitCode: 3, attributes: { a: 'b' } }]);
  });

  it("a launcher's answer, its record and its last word", async () => {
    expect(parseIdentity(JSON.parse(golden('launcher/0.1.0/ready.json').toString()))).toEqual({ pid: 8112, startTime: '1770860', bootId: BOOT });
    const exited = golden('launcher/0.1.0/exited.json');
    expect(parseLauncherRecord(JSON.parse(exited.toString()))).toMatchObject({ state: 'exited', launcherPid: 8110, exitCode: 5, signal: undefined });
    const stream = new MemoryStream();
    const control = await LauncherControl.open({ dial: async () => stream }, '/c');
    stream.feed(`${exited.toString()}\n`);
    stream.end();
    await expect(control.ended).resolves.toMatchObject({ exitCode: 5, maxRssKib: 1456 });
  });

  it("a link's tokens", async () => {
    const store = new TokenStore({ readFile: async () => golden('link-tokens/0.1.0').toString(), writeFile: async () => undefined, rename: async () => undefined });
    expect((await store.load('/t')).map((token) => Buffer.from(token).toString('hex'))).toEqual(['ab'.repeat(16), 'cd'.repeat(16)]);
  });

  it('an image', () => {
    expect(parseImageConfig(golden('images/0.1.0.json').toString(), { name: 'busybox', rootfs: '/r' })).toMatchObject({ command: ['sh'], workingDir: '/', user: '0:0', sizeBytes: 1982471 });
  });

  it('a configuration', () => {
    const { config } = loadConfig({ flags: new Map(), env: {}, readFile: (path) => (path === '/etc/vivarium/vivd.toml' ? golden('config/0.1.0.toml').toString() : undefined), install: INSTALL, cwd: '/' });
    expect(config).toMatchObject({ root: '/srv/vivarium', metrics: 'none', imageDirs: ['/srv/images', '/srv/more'], logFiles: 2, healthInterval: 1000, admissionMemory: 4 * 1024 ** 3, admissionQueueTimeout: 7000 });
  });
});

describe('not yet released, and kept from now on:', () => {
  it('the request journal', () => {
    const bytes = golden('requests/unreleased.requests');
    const parsed = parseRequests(bytes);
    expect(parsed).toMatchObject({ unreadable: 0, size: bytes.length });
    const lines = parsed?.lines ?? [];
    expect(lines.map(({ head: { kind, id } }) => `${kind} ${id}`)).toEqual(['begun open', 'reply replied', 'error refused', 'begun gone', 'forgotten gone']);
    const outcomes = lines.flatMap(({ head, at, outcomeAt, outcomeLength }) => (head.kind === 'reply' || head.kind === 'error' ? [decodeOutcome(head.kind, head.bytes, bytes.subarray(at + outcomeAt, at + outcomeAt + outcomeLength))] : []));
    expect(outcomes).toMatchObject([{ kind: 'reply' }, { kind: 'error', error: { reason: 'NAME_IN_USE', details: { remedy: 'another', facts: { a: 'b' } } } }]);
  });
});
