import type { ProcessSetup } from '../../core/ports/agent.ts';
import type { Box, LinuxCapabilities, POSIXRlimit, Process, User } from '../../gen/agent/oci.ts';
import type { JsonReader } from './json-reader.ts';
import { refuseFields } from './refuse-fields.ts';

/** `process` of an OCI spec. */
export function readProcess(process: JsonReader): Process {
  refuseFields(process, ['scheduler', 'ioPriority', 'commandLine', 'execCPUAffinity']);
  return {
    Terminal: process.at('terminal').flag(),
    ConsoleSize: process.at('consoleSize').maybe(readBox),
    User: process.at('user').maybe(readUser),
    Args: process.at('args').texts(),
    Env: process.at('env').texts(),
    Cwd: process.at('cwd').text(),
    Capabilities: process.at('capabilities').maybe(readCapabilities),
    Rlimits: process.at('rlimits').list(readRlimit),
    NoNewPrivileges: process.at('noNewPrivileges').flag(),
    ApparmorProfile: process.at('apparmorProfile').text(),
    OOMScoreAdj: process.at('oomScoreAdj').i64(),
    SelinuxLabel: process.at('selinuxLabel').text(),
  };
}

function readBox(box: JsonReader): Box {
  return { Height: box.at('height').u32(), Width: box.at('width').u32() };
}

function readUser(user: JsonReader): User {
  refuseFields(user, ['umask']);
  return {
    UID: user.at('uid').u32(),
    GID: user.at('gid').u32(),
    AdditionalGids: user.at('additionalGids').list((gid) => gid.u32()),
    Username: user.at('username').text(),
  };
}

function readCapabilities(sets: JsonReader): LinuxCapabilities {
  return {
    Bounding: sets.at('bounding').texts(),
    Effective: sets.at('effective').texts(),
    Inheritable: sets.at('inheritable').texts(),
    Permitted: sets.at('permitted').texts(),
    Ambient: sets.at('ambient').texts(),
  };
}

function readRlimit(limit: JsonReader): POSIXRlimit {
  return { Type: limit.at('type').text(), Hard: limit.at('hard').u64(), Soft: limit.at('soft').u64() };
}

/** A further process of a running container. Its capabilities are its bounding, effective and permitted set; none is inherited. */
export function toProcessMessage(setup: ProcessSetup): Process {
  const capabilities = [...setup.capabilities];
  return {
    Terminal: setup.terminal,
    ConsoleSize: undefined,
    User: { UID: setup.uid, GID: setup.gid, AdditionalGids: [...setup.additionalGids], Username: '' },
    Args: [...setup.args],
    Env: [...setup.env],
    Cwd: setup.cwd,
    Capabilities: { Bounding: capabilities, Effective: capabilities, Inheritable: [], Permitted: capabilities, Ambient: [] },
    Rlimits: setup.rlimits.map((limit) => ({ Type: limit.type, Hard: limit.hard, Soft: limit.soft })),
    NoNewPrivileges: setup.noNewPrivileges,
    ApparmorProfile: '',
    OOMScoreAdj: 0n,
    SelinuxLabel: '',
  };
}
