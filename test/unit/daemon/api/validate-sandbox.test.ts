import { describe, expect, it } from 'vitest';
import { parseCreateSandbox, parseListSandboxes } from '../../../../src/daemon/api/validate-sandbox.ts';
import { CreateSandboxRequest, ListSandboxesRequest, NamespaceMode, SandboxState } from '../../../../src/gen/vivarium/v1/sandbox.ts';
import { violationsOf } from './field-violations.ts';

describe('CreateSandbox', () => {
  it('takes an empty spec as the documented defaults', () => {
    const { spec, requestId } = parseCreateSandbox(CreateSandboxRequest.fromPartial({ spec: {} }));
    expect(requestId).toBe('');
    expect(spec).toMatchObject({ name: '', profile: 'default', sharedPidNamespace: false, workload: { cpus: 0, memoryBytes: 0 }, labels: {} });
    expect(Object.isFrozen(spec)).toBe(true);
  });

  it('tells every field error at once, by its path on the wire', () => {
    const request = CreateSandboxRequest.fromPartial({
      requestId: 'has space',
      spec: {
        name: '-x',
        hostname: 'under_score',
        dns: { servers: ['1.1.1.1', 'nowhere'], options: ['ndots:2', 'NO!'] },
        labels: { 'bad key': 'v' },
        namespaceOptions: { pid: 9 as NamespaceMode },
        workload: { cpus: Number.NaN, memoryBytes: 2n ** 60n },
      },
    });
    expect(Object.keys(violationsOf(() => parseCreateSandbox(request))).sort()).toEqual([
      'request_id', 'spec.dns.options[1]', 'spec.dns.servers[1]', 'spec.hostname', 'spec.labels["bad key"]', 'spec.name', 'spec.namespace_options.pid',
      'spec.workload.cpus', 'spec.workload.memory_bytes',
    ]);
  });

  it('refuses a request without a spec', () => {
    expect(violationsOf(() => parseCreateSandbox(CreateSandboxRequest.fromPartial({})))).toEqual({ spec: 'is required' });
  });

  it('bounds how many field errors one answer tells', () => {
    const servers = Array.from({ length: 16 }, () => 'x');
    const labels = Object.fromEntries(Array.from({ length: 128 }, (_, index) => [`bad key ${index}`, '']));
    const found = violationsOf(() => parseCreateSandbox(CreateSandboxRequest.fromPartial({ spec: { dns: { servers }, labels } })));
    expect(Object.keys(found)).toHaveLength(65);
    expect(found['']).toBe('and 80 more field errors');
  });

  it('asks for a shared pid namespace only when told so', () => {
    const parse = (pid: NamespaceMode): boolean => parseCreateSandbox(CreateSandboxRequest.fromPartial({ spec: { namespaceOptions: { pid } } })).spec.sharedPidNamespace;
    expect(parse(NamespaceMode.NAMESPACE_MODE_UNSPECIFIED)).toBe(false);
    expect(parse(NamespaceMode.NAMESPACE_MODE_CONTAINER)).toBe(false);
    expect(parse(NamespaceMode.NAMESPACE_MODE_SANDBOX)).toBe(true);
  });
});

describe('ListSandboxes', () => {
  it('takes page size 0 as the documented 1000', () => {
    expect(parseListSandboxes(ListSandboxesRequest.fromPartial({})).page).toEqual({ size: 1000, token: '' });
  });

  it('refuses UNSPECIFIED and unknown states, and a page that is too large', () => {
    const request = ListSandboxesRequest.fromPartial({ states: [SandboxState.SANDBOX_STATE_READY, SandboxState.SANDBOX_STATE_UNSPECIFIED, 77 as SandboxState], pageSize: 1001 });
    expect(Object.keys(violationsOf(() => parseListSandboxes(request)))).toEqual(['states[1]', 'states[2]', 'page_size']);
  });
});
