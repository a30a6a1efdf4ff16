import { describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../src/base/async-queue.ts';
import type { Mode as DomainMode, Phase } from '../../src/core/model/outcome.ts';
import type { ContainerView } from '../../src/daemon/services/facade.ts';
import type { DeepPartial, ExecRequest } from '../../src/gen/vivarium/v1/container.ts';
import type { Mode, Phase as PhaseMessage } from '../../src/gen/vivarium/v1/common.ts';
import { FakeProcessStream } from '../fakes/fake-process-stream.ts';
import { fakeServices } from '../fakes/fake-services.ts';
import { containerRecord, sandboxRecord } from '../fakes/records.ts';
import { ApiHarness } from './api-harness.ts';

const MODE: DomainMode = {
  hypervisor: 'qemu', hypervisorVersion: '7.2.22', accelerator: 'tcg', acceleratorReason: 'no KVM', machine: 'q35', transport: 'virtio-serial', agent: 'viv-agent', agentVersion: '1', rootfs: 'virtiofs', guest: 'default', profile: 'default',
};
const PHASES: readonly Phase[] = [{ name: 'work', offsetMs: 0, durationMs: 1 }];
const SANDBOX = sandboxRecord({ mode: MODE });
const VIEW: ContainerView = { sandbox: SANDBOX, container: containerRecord(), logPath: '/log' };
const SANDBOX_DONE = { value: SANDBOX, mode: MODE, phases: PHASES };
const CONTAINER_DONE = { value: VIEW, mode: MODE, phases: PHASES };

const SERVICES = fakeServices({
  sandboxes: {
    get: () => SANDBOX,
    create: async () => SANDBOX_DONE,
    start: async () => ({ ...SANDBOX_DONE, startedContainerIds: [] }),
    stop: async () => SANDBOX_DONE,
    delete: async () => PHASES,
    pause: async () => SANDBOX_DONE,
    resume: async () => SANDBOX_DONE,
  },
  containers: { get: () => VIEW, create: async () => CONTAINER_DONE, start: async () => CONTAINER_DONE, stop: async () => CONTAINER_DONE, delete: async () => PHASES, exec: async () => ended() },
});

function ended(): FakeProcessStream {
  const stream = Object.assign(new FakeProcessStream(), { mode: MODE, phases: PHASES });
  void stream.exit();
  return stream;
}

interface Told {
  readonly mode: Mode | undefined;
  readonly phases: readonly PhaseMessage[];
}

async function startedOf(api: ApiHarness): Promise<Told> {
  const requests = new AsyncQueue<DeepPartial<ExecRequest>>(1);
  requests.tryPush({ message: { $case: 'start', value: { containerId: 'ctr', command: ['true'] } } });
  let told: Told = { mode: undefined, phases: [] };
  for await (const { message } of api.containers().exec(requests)) if (message?.$case === 'started') told = message.value;
  return told;
}

const CALLS: Readonly<Record<string, (api: ApiHarness) => Promise<Told>>> = {
  CreateSandbox: async (api) => api.sandboxes().createSandbox({ spec: {} }),
  StartSandbox: async (api) => api.sandboxes().startSandbox({ sandboxId: 'sb' }),
  StopSandbox: async (api) => api.sandboxes().stopSandbox({ sandboxId: 'sb' }),
  DeleteSandbox: async (api) => api.sandboxes().deleteSandbox({ sandboxId: 'sb' }),
  PauseSandbox: async (api) => api.sandboxes().pauseSandbox({ sandboxId: 'sb' }),
  ResumeSandbox: async (api) => api.sandboxes().resumeSandbox({ sandboxId: 'sb' }),
  CreateContainer: async (api) => api.containers().createContainer({ sandboxId: 'sb', spec: { rootfs: { $case: 'image', value: 'busybox' } } }),
  StartContainer: async (api) => api.containers().startContainer({ containerId: 'ctr' }),
  StopContainer: async (api) => api.containers().stopContainer({ containerId: 'ctr' }),
  DeleteContainer: async (api) => api.containers().deleteContainer({ containerId: 'ctr' }),
  Exec: startedOf,
};

describe('the reply of a long call', () => {
  it.each(Object.entries(CALLS))('%s: names the mode really used and the time each phase took', async (_name, call) => {
    await using api = await ApiHarness.start(SERVICES);
    const { mode, phases } = await call(api);
    expect(mode).toMatchObject({ accelerator: 'tcg', transport: 'virtio-serial', rootfs: 'virtiofs' });
    expect(phases).toEqual([{ name: 'work', offset: { seconds: 0n, nanos: 0 }, duration: { seconds: 0n, nanos: 1_000_000 } }]);
  });
});
