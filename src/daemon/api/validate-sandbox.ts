import { isIP } from 'node:net';
import type { SandboxSpec } from '../../core/model/sandbox-spec.ts';
import type { SandboxState } from '../../core/model/record.ts';
import { NamespaceMode } from '../../gen/vivarium/v1/sandbox.ts';
import type {
  CreateSandboxRequest, DnsConfig, ListSandboxesRequest, NamespaceOptions, SandboxMetadata, SandboxSpec as SandboxSpecMessage, Workload,
} from '../../gen/vivarium/v1/sandbox.ts';
import type { PageRequest } from '../services/facade.ts';
import { sandboxStateFromWire } from './enums.ts';
import { parsed } from './field-errors.ts';
import type { FieldErrors } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import {
  byteLength, checkAnnotations, checkBytes, checkCpus, checkLabels, checkMapKeys, checkNewName, checkPage, checkRequestId, hasNul,
} from './validate-fields.ts';

/** RFC 1123 section 2.1: labels of letters, digits and hyphens. */
const HOST_LABELS = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/;
const DNS_NAME = /^\.?[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?\.?$/;
const DNS_OPTION = /^[a-z0-9-]+(:\d+)?$/;

/** The whole request, or INVALID_REQUEST with every field error. */
export function parseCreateSandbox(request: CreateSandboxRequest): { spec: SandboxSpec; requestId: string } {
  return parsed((errors) => {
    const requestId = checkRequestId(errors, request.requestId);
    const spec = parseSandboxSpec(errors, 'spec', request.spec);
    return { requestId, spec };
  });
}

export function parseListSandboxes(request: ListSandboxesRequest): { labels: Readonly<Record<string, string>>; states: readonly SandboxState[]; page: PageRequest } {
  return parsed((errors) => {
    const states = request.states.flatMap((value, index) => {
      const state = sandboxStateFromWire(value);
      errors.check(state !== undefined, `states[${index}]`, `${value} is not a state`);
      return state ?? [];
    });
    return { labels: checkLabels(errors, 'labels', request.labels), states, page: checkPage(errors, request.pageSize, request.pageToken) };
  });
}

function parseSandboxSpec(errors: FieldErrors, field: string, message: SandboxSpecMessage | undefined): SandboxSpec {
  if (message === undefined) errors.add(field, 'is required');
  const spec = message ?? EMPTY_SPEC;
  return Object.freeze({
    name: checkNewName(errors, `${field}.name`, spec.name),
    metadata: parseMetadata(errors, `${field}.metadata`, spec.metadata),
    hostname: checkHostname(errors, `${field}.hostname`, spec.hostname),
    dns: parseDns(errors, `${field}.dns`, spec.dns),
    labels: checkLabels(errors, `${field}.labels`, spec.labels),
    annotations: checkAnnotations(errors, `${field}.annotations`, spec.annotations),
    sharedPidNamespace: parsePidMode(errors, `${field}.namespace_options.pid`, spec.namespaceOptions),
    profile: checkNewName(errors, `${field}.profile`, spec.profile) || 'default',
    overrides: checkOverrides(errors, `${field}.overrides`, spec.overrides),
    workload: parseWorkload(errors, `${field}.workload`, spec.workload),
    autoRemove: spec.autoRemove,
  });
}

const EMPTY_SPEC: SandboxSpecMessage = {
  name: '', metadata: undefined, hostname: '', dns: undefined, labels: {}, annotations: {}, namespaceOptions: undefined, profile: '', overrides: {}, workload: undefined, autoRemove: false,
};

function parseMetadata(errors: FieldErrors, field: string, message: SandboxMetadata | undefined): SandboxSpec['metadata'] {
  const metadata = message ?? { name: '', uid: '', namespace: '', attempt: 0 };
  for (const part of ['name', 'uid', 'namespace'] as const) {
    errors.check(byteLength(metadata[part]) <= 253 && !hasNul(metadata[part]), `${field}.${part}`, 'must be at most 253 bytes without NUL');
  }
  return Object.freeze({ name: metadata.name, uid: metadata.uid, namespace: metadata.namespace, attempt: metadata.attempt });
}

function checkHostname(errors: FieldErrors, field: string, value: string): string {
  errors.check(value === '' || (value.length <= LIMITS.hostnameLength && HOST_LABELS.test(value)), field, `must be a host name of at most ${LIMITS.hostnameLength} characters (RFC 1123)`);
  return value;
}

function parseDns(errors: FieldErrors, field: string, message: DnsConfig | undefined): SandboxSpec['dns'] {
  const dns = message ?? { servers: [], searches: [], options: [] };
  const list = (part: keyof DnsConfig, valid: (value: string) => boolean, rule: string): readonly string[] => {
    errors.check(dns[part].length <= LIMITS.dnsEntries, `${field}.${part}`, `has ${dns[part].length} entries, at most ${LIMITS.dnsEntries} are allowed`);
    for (const [index, value] of dns[part].slice(0, LIMITS.dnsEntries).entries()) errors.check(valid(value), `${field}.${part}[${index}]`, rule);
    return Object.freeze([...dns[part]]);
  };
  return Object.freeze({
    servers: list('servers', (value) => isIP(value) !== 0, 'must be an IP address'),
    searches: list('searches', (value) => value === '.' || (value.length <= 253 && DNS_NAME.test(value)), 'must be a domain name'),
    options: list('options', (value) => value.length <= 64 && DNS_OPTION.test(value), 'must be a resolver option such as ndots:2'),
  });
}

function parsePidMode(errors: FieldErrors, field: string, message: NamespaceOptions | undefined): boolean {
  switch (message?.pid) {
    case undefined:
    case NamespaceMode.NAMESPACE_MODE_UNSPECIFIED:
    case NamespaceMode.NAMESPACE_MODE_CONTAINER:
      return false;
    case NamespaceMode.NAMESPACE_MODE_SANDBOX:
      return true;
    default:
      errors.add(field, `${message?.pid ?? ''} is not a namespace mode`);
      return false;
  }
}

function checkOverrides(errors: FieldErrors, field: string, overrides: Readonly<Record<string, string>>): SandboxSpec['overrides'] {
  checkMapKeys(errors, field, overrides, LIMITS.overrides);
  for (const [key, value] of Object.entries(overrides)) {
    errors.check(byteLength(value) <= LIMITS.overrideValueBytes && !hasNul(value), `${field}[${JSON.stringify(key.slice(0, 64))}]`, `value must be at most ${LIMITS.overrideValueBytes} bytes without NUL`);
  }
  return Object.freeze({ ...overrides });
}

function parseWorkload(errors: FieldErrors, field: string, message: Workload | undefined): SandboxSpec['workload'] {
  if (message === undefined) return Object.freeze({ cpus: 0, memoryBytes: 0, images: false });
  return Object.freeze({ cpus: checkCpus(errors, `${field}.cpus`, message.cpus), memoryBytes: checkBytes(errors, `${field}.memory_bytes`, message.memoryBytes), images: message.images });
}
