import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SandboxSpec as SandboxSpecModel } from '../../../../src/core/model/sandbox-spec.ts';
import { containerSpecToWire, containerToWire } from '../../../../src/daemon/api/convert-container.ts';
import { duration, durationFromNs } from '../../../../src/daemon/api/convert-common.ts';
import { sandboxSpecToWire, sandboxToWire, waitToWire } from '../../../../src/daemon/api/convert-sandbox.ts';
import { parseCreateContainer } from '../../../../src/daemon/api/validate-container.ts';
import { parseCreateSandbox } from '../../../../src/daemon/api/validate-sandbox.ts';
import { ContainerSpec, ContainerState } from '../../../../src/gen/vivarium/v1/container.ts';
import { SandboxSpec, SandboxState } from '../../../../src/gen/vivarium/v1/sandbox.ts';
import { containerRecord, containerSpec, sandboxRecord } from '../../../fakes/records.ts';

const name = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/);
const label = fc.stringMatching(/^[a-z0-9]{1,20}$/);
const labels = fc.dictionary(label, fc.string({ maxLength: 40 }).map((text) => text.replaceAll('\0', '')), { noNullPrototype: true });
const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

const sandboxSpecs: fc.Arbitrary<SandboxSpecModel> = fc.record({
  name,
  metadata: fc.record({ name, uid: name, namespace: name, attempt: fc.nat() }),
  hostname: fc.constantFrom('', 'web-1.example'),
  dns: fc.record({ servers: fc.constantFrom([], ['10.0.0.1', '::1']), searches: fc.constantFrom([], ['a.example']), options: fc.constantFrom([], ['ndots:5']) }),
  labels,
  annotations: labels,
  sharedPidNamespace: fc.boolean(),
  profile: name,
  overrides: labels,
  workload: fc.record({ cpus: fc.double({ min: 0, max: 1024, noNaN: true }), memoryBytes: size, images: fc.boolean() }),
  autoRemove: fc.boolean(),
});

const containerSpecs = fc.record({
  name,
  rootfs: fc.oneof(
    fc.record({ kind: fc.constant('image' as const), name: fc.constant('busybox') }),
    fc.record({ kind: fc.constant('path' as const), path: fc.constant('/a/b') }),
    fc.record({ kind: fc.constant('bundle' as const), path: fc.constant('/bundle') }),
  ),
  args: fc.array(fc.string().map((text) => text.replaceAll('\0', '')), { maxLength: 5 }),
  env: fc.array(label.map((key) => `${key}=`), { maxLength: 5 }),
  user: fc.constantFrom('', 'root', '0:0', 'a:b'),
  stopSignal: fc.constantFrom('', 'SIGTERM', '40'),
  shmSizeBytes: size,
  ttySize: fc.option(fc.record({ rows: fc.integer({ min: 1, max: 65_535 }), columns: fc.integer({ min: 1, max: 65_535 }) }), { nil: undefined }),
  resources: fc.record({
    cpus: fc.double({ min: 0, max: 1024, noNaN: true }), cpuShares: fc.constantFrom(0, 2, 1024), cpusetCpus: fc.constantFrom('', '0-3,5'), memoryBytes: size, pidsLimit: fc.nat(4_194_304),
  }),
}).map((change) => containerSpec(change));

describe('what was asked for', () => {
  it('comes back the same through the wire: sandbox', () => {
    fc.assert(fc.property(sandboxSpecs, (spec) => {
      const onWire = SandboxSpec.decode(SandboxSpec.encode(sandboxSpecToWire(spec)).finish());
      expect(parseCreateSandbox({ requestId: '', spec: onWire }).spec).toEqual(spec);
    }));
  });

  it('comes back the same through the wire: container', () => {
    fc.assert(fc.property(containerSpecs, (spec) => {
      const onWire = ContainerSpec.decode(ContainerSpec.encode(containerSpecToWire(spec)).finish());
      expect(parseCreateContainer({ requestId: '', sandboxId: 'sb', spec: onWire }).spec).toEqual(spec);
    }));
  });
});

describe('times', () => {
  it('keeps nanoseconds of a duration and carries into the next second', () => {
    expect(duration(1500.25)).toEqual({ seconds: 1n, nanos: 500_250_000 });
    expect(duration(999.9999999)).toEqual({ seconds: 1n, nanos: 0 });
    expect(duration(-3)).toEqual({ seconds: 0n, nanos: 0 });
    expect(durationFromNs(12_000_000_007n)).toEqual({ seconds: 12n, nanos: 7 });
  });
});

describe('records', () => {
  it('gives a sandbox its effective name, short id and containers', () => {
    const wire = sandboxToWire(sandboxRecord({ containers: [containerRecord()], epoch: 9, cause: 'GUEST_PANIC' }));
    expect(wire).toMatchObject({ shortId: 'c4d5e6f708', state: SandboxState.SANDBOX_STATE_READY, epoch: 9n, vmmPid: 0, vmmArgv: [], spec: { name: 'sb' }, cause: 5 });
    expect(wire.containerIds).toHaveLength(1);
    expect(wire.finishedAt).toBeUndefined();
  });

  it('gives a container no exit while it has none', () => {
    const wire = containerToWire({ sandbox: sandboxRecord(), container: containerRecord({ state: 'running', startedAtMs: 5 }), logPath: '/l' });
    expect(wire).toMatchObject({ state: ContainerState.CONTAINER_STATE_RUNNING, startedAt: new Date(5), logPath: '/l' });
    expect(wire.exit).toBeUndefined();
  });

  it('answers a wait for a deleted sandbox', () => {
    expect(waitToWire({ state: 'deleted', cause: undefined, detail: '', finishedAtMs: undefined }).state).toBe(SandboxState.SANDBOX_STATE_DELETING);
  });
});
