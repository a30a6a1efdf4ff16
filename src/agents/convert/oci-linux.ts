import type { Linux, LinuxDevice, LinuxIDMapping, LinuxNamespace, LinuxSeccomp, LinuxSeccompArg, LinuxSyscall } from '../../gen/agent/oci.ts';
import type { JsonReader } from './json-reader.ts';
import { readResources } from './oci-resources.ts';
import { refuseFields } from './refuse-fields.ts';

const EPERM = 1;

/** `linux` of an OCI spec. */
export function readLinux(linux: JsonReader): Linux {
  refuseFields(linux, ['timeOffsets', 'personality', 'netDevices', 'memoryPolicy']);
  return {
    UIDMappings: linux.at('uidMappings').list(readIdMapping),
    GIDMappings: linux.at('gidMappings').list(readIdMapping),
    Sysctl: linux.at('sysctl').textMap(),
    Resources: linux.at('resources').maybe(readResources),
    CgroupsPath: linux.at('cgroupsPath').text(),
    Namespaces: linux.at('namespaces').list(readNamespace),
    Devices: linux.at('devices').list(readDevice),
    Seccomp: linux.at('seccomp').maybe(readSeccomp),
    RootfsPropagation: linux.at('rootfsPropagation').text(),
    MaskedPaths: linux.at('maskedPaths').texts(),
    ReadonlyPaths: linux.at('readonlyPaths').texts(),
    MountLabel: linux.at('mountLabel').text(),
    IntelRdt: linux.at('intelRdt').maybe((rdt) => ({ L3CacheSchema: rdt.at('l3CacheSchema').text() })),
  };
}

function readIdMapping(mapping: JsonReader): LinuxIDMapping {
  return { HostID: mapping.at('hostID').u32(), ContainerID: mapping.at('containerID').u32(), Size: mapping.at('size').u32() };
}

function readNamespace(namespace: JsonReader): LinuxNamespace {
  return { Type: namespace.at('type').text(), Path: namespace.at('path').text() };
}

function readDevice(device: JsonReader): LinuxDevice {
  return {
    Path: device.at('path').text(),
    Type: device.at('type').text(),
    Major: device.at('major').i64(),
    Minor: device.at('minor').i64(),
    FileMode: device.at('fileMode').u32(),
    UID: device.at('uid').u32(),
    GID: device.at('gid').u32(),
  };
}

function readSeccomp(seccomp: JsonReader): LinuxSeccomp {
  refuseFields(seccomp, ['listenerPath', 'listenerMetadata']);
  const defaultErrno = seccomp.at('defaultErrnoRet');
  if (defaultErrno.present && defaultErrno.u32() !== EPERM) defaultErrno.reject('must be 1 (EPERM): the guest agent knows no other');
  return {
    DefaultAction: seccomp.at('defaultAction').text(),
    Architectures: seccomp.at('architectures').texts(),
    Flags: seccomp.at('flags').texts(),
    Syscalls: seccomp.at('syscalls').list(readSyscall),
  };
}

function readSyscall(syscall: JsonReader): LinuxSyscall {
  return {
    Names: syscall.at('names').texts(),
    Action: syscall.at('action').text(),
    ErrnoRet: syscall.at('errnoRet').maybe((errno) => ({ $case: 'errnoret' as const, value: errno.u32() })),
    Args: syscall.at('args').list(readSyscallArg),
  };
}

function readSyscallArg(arg: JsonReader): LinuxSeccompArg {
  return { Index: arg.at('index').u64(), Value: arg.at('value').u64(), ValueTwo: arg.at('valueTwo').u64(), Op: arg.at('op').text() };
}
