import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RESOURCE_KINDS } from '../../../../src/core/model/ledger.ts';
import type { FoundResource } from '../../../../src/core/ports/ledger.ts';
import { compare, identityOf, type AuditState } from '../../../../src/daemon/services/audit-compare.ts';
import type { Claim, Claims, Standing } from '../../../../src/daemon/services/claims.ts';

const OWNER = '5678abcdef';
const ID = `0190f4a8b7c27def8a1234${OWNER}`;
const CONTAINER = '0190f4a8b7c27def8a12345678000001';

function claim(standing: Standing, more: Partial<Claim> = {}): Claim {
  return { id: ID, standing, epoch: 1, containerIds: new Set(), resources: [], detail: standing, ...more };
}

function claims(one?: Claim): Claims {
  return new Map(one === undefined ? [] : [[OWNER, one]]);
}

function found(more: Partial<FoundResource> = {}): FoundResource {
  return { kind: 'mount', name: '/run/v/s/x', owner: OWNER, containerId: undefined, attributes: {}, ...more };
}

function stateOf(resource: FoundResource, before: Claims, after: Claims): AuditState | undefined {
  return compare([resource], before, after).find((audited) => audited.found === resource)?.state;
}

describe('what is on the host', () => {
  it.each<[string, AuditState, Claim | undefined, Claim | undefined]>([
    ['of nobody', 'orphaned', undefined, undefined],
    ['of a live sandbox', 'owned', claim('live'), claim('live')],
    ['of one that is being created', 'in-flight', undefined, claim('moving')],
    ['of one that was created between the looks', 'in-flight', undefined, claim('live')],
    ['of one that was deleted between the looks', 'in-flight', claim('live'), undefined],
    ['of one on which work is under way', 'in-flight', claim('moving'), claim('moving')],
    ['of one that stopped between the looks', 'in-flight', claim('live'), claim('stopped')],
    ['of a stopped one', 'orphaned', claim('stopped'), claim('stopped')],
    ['of one that could not be removed', 'owned', claim('failed'), claim('failed')],
    ['of one whose record can not be read', 'unreadable', claim('unreadable'), claim('unreadable')],
  ])('%s is %s', (_what, state, before, after) => {
    expect(stateOf(found(), claims(before), claims(after))).toBe(state);
  });

  it('keeps what lasts of a stopped sandbox', () => {
    expect(stateOf(found({ kind: 'directory', attributes: { lasting: 'true' } }), claims(claim('stopped')), claims(claim('stopped')))).toBe('owned');
  });

  it.each<[string, AuditState, readonly string[], readonly string[]]>([
    ['its container has a record', 'owned', [CONTAINER], [CONTAINER]],
    ['its container has none', 'orphaned', [], []],
    ['its container came', 'in-flight', [], [CONTAINER]],
    ['its container went', 'in-flight', [CONTAINER], []],
  ])('of a live sandbox: when %s it is %s', (_what, state, before, after) => {
    const of = (ids: readonly string[]): Claims => claims(claim('live', { containerIds: new Set(ids) }));
    expect(stateOf(found({ containerId: CONTAINER }), of(before), of(after))).toBe(state);
  });

  it('is left alone when there is a record that nobody has read', () => {
    expect(stateOf(found({ kind: 'directory', attributes: { lasting: 'true', record: 'true' } }), claims(), claims())).toBe('unreadable');
  });

  it('is pending in the trash, and orphaned when its mark names no sandbox', () => {
    expect(stateOf(found({ kind: 'trash', owner: undefined }), claims(), claims())).toBe('pending');
    expect(stateOf(found({ kind: 'process', owner: undefined }), claims(), claims())).toBe('orphaned');
  });
});

describe('what is not on the host', () => {
  const resources = [{ kind: 'mount' as const, name: '/run/v/s/x', attributes: {} }, { kind: 'socket' as const, name: '/run/v/s/x', attributes: {} }];
  const missing = (before: Claim | undefined, after: Claim | undefined): readonly string[] =>
    compare([found()], claims(before), claims(after)).filter(({ state }) => state === 'missing').map(({ kind, name }) => `${kind} ${name}`);

  it('is missing for a live sandbox, by kind and name', () => {
    expect(missing(claim('live', { resources }), claim('live', { resources }))).toEqual(['socket /run/v/s/x']);
  });

  it.each<[string, Claim | undefined, Claim | undefined]>([
    ['has just come', undefined, claim('live', { resources })],
    ['has changed between the looks', claim('live', { resources, epoch: 1 }), claim('live', { resources, epoch: 2 })],
    ['is moving', claim('moving', { resources }), claim('moving', { resources })],
    ['is stopped', claim('stopped', { resources }), claim('stopped', { resources })],
    ['can not be read', claim('unreadable', { resources }), claim('unreadable', { resources })],
  ])('is not missed of a sandbox that %s', (_what, before, after) => {
    expect(missing(before, after)).toEqual([]);
  });
});

describe('any host and any records', () => {
  const owner = fc.constantFrom('0000000001', '0000000002', '0000000003');
  const containerId = fc.constantFrom(undefined, 'c1', 'c2');
  const resource = fc.record({ kind: fc.constantFrom(...RESOURCE_KINDS), name: fc.constantFrom('a', 'b', 'c'), attributes: fc.constantFrom({}, { lasting: 'true' }, { record: 'true' }) });
  const anyFound: fc.Arbitrary<FoundResource> = fc.tuple(resource, fc.option(owner, { nil: undefined, freq: 8 }), containerId).map(([one, of, container]) => ({ ...one, owner: of, containerId: container }));
  const anyClaim: fc.Arbitrary<Claim> = fc.record({
    id: fc.constant('id'),
    standing: fc.constantFrom<Standing[]>('live', 'moving', 'stopped', 'failed', 'unreadable'),
    epoch: fc.nat(2),
    containerIds: fc.subarray(['c1', 'c2']).map((ids) => new Set(ids)),
    resources: fc.array(resource, { maxLength: 4 }),
    detail: fc.constant(''),
  });
  const anyClaims: fc.Arbitrary<Claims> = fc.dictionary(owner, anyClaim).map((all) => new Map(Object.entries(all)));
  const anyHost = fc.array(anyFound, { maxLength: 12 });

  it('say exactly one thing of each resource that was found', () => {
    fc.assert(fc.property(anyHost, anyClaims, anyClaims, (host, before, after) => {
      expect(compare(host, before, after).filter(({ state }) => state !== 'missing').map((audited) => audited.found)).toEqual(host);
    }));
  });

  it('call nothing orphaned or missing that either look at the records leaves open', () => {
    fc.assert(fc.property(anyHost, anyClaims, anyClaims, (host, before, after) => {
      for (const { state, found: of, sandboxId } of compare(host, before, after)) {
        const [was, is] = [before, after].map((look) => (of === undefined ? [...look.values()].find(({ id }) => id === sandboxId) : look.get(of.owner ?? '')));
        const open = [was, is].some((one) => one?.standing === 'moving' || one?.standing === 'unreadable' || one?.standing === 'failed');
        if (state === 'orphaned') expect(open || (was === undefined) !== (is === undefined)).toBe(false);
      }
    }));
  });

  it('miss nothing that was found, and nothing of a sandbox that is not live in both looks', () => {
    fc.assert(fc.property(anyHost, anyClaims, anyClaims, (host, before, after) => {
      const there = new Set(host.map(({ kind, name }) => `${kind} ${name}`));
      const live = [...after].filter(([of, one]) => one.standing === 'live' && before.get(of)?.standing === 'live' && before.get(of)?.epoch === one.epoch);
      const expected = live.flatMap(([, one]) => one.resources.filter(({ kind, name }) => !there.has(`${kind} ${name}`)).map(identityOf));
      expect(compare(host, before, after).filter(({ state }) => state === 'missing').map(identityOf)).toEqual(expected);
    }));
  });

  it('that agree leave nothing suspect', () => {
    fc.assert(fc.property(fc.array(resource, { maxLength: 8 }), (resources) => {
      const all = claims(claim('live', { resources }));
      const host = resources.map((one): FoundResource => ({ ...one, owner: OWNER, containerId: undefined }));
      expect(compare(host, all, all).every(({ state }) => state === 'owned')).toBe(true);
    }));
  });
});
