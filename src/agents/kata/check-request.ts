import type { FieldViolation } from '../../core/model/errors.ts';
import { invalidRequest } from '../../core/model/errors.ts';
import type { Linux, Process, Spec } from '../../gen/agent/oci.ts';
import { CAPABILITIES, DEVICE_RULE_TYPES, DEVICE_TYPES, NAMESPACES, RLIMITS } from './known-names.ts';

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]+$/;

/** Everything in a container's spec that an official agent would not answer to, or would silently not do. INVALID_REQUEST names it all. */
export function checkContainer(containerId: string, spec: Spec, features: { readonly seccomp: boolean }): void {
  const wrong = [...idViolations('container_id', containerId), ...specViolations(spec, features)];
  if (wrong.length > 0) throw invalidRequest(wrong);
}

/** The same for a further process. */
export function checkExec(execId: string, process: Process): void {
  const wrong = [...idViolations('exec_id', execId), ...processViolations(process)];
  if (wrong.length > 0) throw invalidRequest(wrong);
}

function idViolations(field: string, id: string): FieldViolation[] {
  return ID.test(id) ? [] : [{ field, description: 'must be two or more letters, digits, dots, dashes or underscores' }];
}

function specViolations(spec: Spec, features: { readonly seccomp: boolean }): FieldViolation[] {
  const wrong: FieldViolation[] = [];
  const reject = (field: string, description: string): void => { wrong.push({ field, description }); };
  if (spec.Root?.Path.startsWith('/') !== true) reject('root.path', 'must be an absolute path in the guest');
  if (spec.Process === undefined) reject('process', 'is missing');
  else wrong.push(...processViolations(spec.Process));
  if (!spec.Mounts.some((mount) => mount.destination === '/proc')) reject('mounts', 'must have /proc: without it the start never ends');
  if (!spec.Mounts.some((mount) => mount.destination === '/dev' && mount.type === 'tmpfs')) {
    reject('mounts', "must have /dev as a tmpfs: else device nodes are written into the host's root file system");
  }
  if (spec.Linux === undefined) reject('linux', 'is missing');
  else wrong.push(...linuxViolations(spec.Linux, features));
  return wrong;
}

function processViolations(process: Process): FieldViolation[] {
  const wrong: FieldViolation[] = [];
  if (process.Args.length === 0 || process.Args[0] === '') wrong.push({ field: 'process.args', description: 'must name a command' });
  process.Env.forEach((entry, index) => {
    if (entry.indexOf('=') < 1) wrong.push({ field: `process.env[${index}]`, description: `must be NAME=value, not ${JSON.stringify(entry)}` });
  });
  const sets = process.Capabilities;
  const names = sets === undefined ? [] : [sets.Bounding, sets.Effective, sets.Inheritable, sets.Permitted, sets.Ambient].flat();
  for (const name of new Set(names)) {
    if (!CAPABILITIES.has(name)) wrong.push({ field: 'process.capabilities', description: `${JSON.stringify(name)} is no capability` });
  }
  process.Rlimits.forEach((limit, index) => {
    if (!RLIMITS.has(limit.Type)) wrong.push({ field: `process.rlimits[${index}]`, description: `${JSON.stringify(limit.Type)} is no resource limit` });
  });
  return wrong;
}

function linuxViolations(linux: Linux, features: { readonly seccomp: boolean }): FieldViolation[] {
  const wrong: FieldViolation[] = [];
  const reject = (field: string, description: string): void => { wrong.push({ field, description }); };
  if (!linux.Namespaces.some((namespace) => namespace.Type === 'mount')) reject('linux.namespaces', "must have mount: else the process runs in the guest's own root");
  linux.Namespaces.forEach((namespace, index) => {
    if (!NAMESPACES.has(namespace.Type)) reject(`linux.namespaces[${index}]`, `${JSON.stringify(namespace.Type)} is not supported by this agent`);
  });
  linux.Devices.forEach((device, index) => {
    if (!DEVICE_TYPES.has(device.Type)) reject(`linux.devices[${index}].type`, `${JSON.stringify(device.Type)} is no device type`);
  });
  linux.Resources?.Devices.forEach((rule, index) => {
    if (!DEVICE_RULE_TYPES.has(rule.Type)) reject(`linux.resources.devices[${index}].type`, `${JSON.stringify(rule.Type)} is no device type`);
  });
  if ((linux.Resources?.Pids?.Limit ?? 0n) > 0n) reject('linux.resources.pids', 'is ignored by this agent; leave it out or use viv-agent');
  if (linux.Seccomp !== undefined && !features.seccomp) reject('linux.seccomp', 'is ignored by this agent, which was built without it');
  return wrong;
}
