import type {
  LinuxBlockIO, LinuxCPU, LinuxDeviceCgroup, LinuxMemory, LinuxNetwork, LinuxResources, LinuxThrottleDevice, LinuxWeightDevice,
} from '../../gen/agent/oci_resources.ts';
import type { JsonReader } from './json-reader.ts';
import { refuseFields } from './refuse-fields.ts';

/** In a device rule: every number. The JSON form leaves the field out instead. */
const ANY_NUMBER = -1n;

/** `linux.resources` of an OCI spec. */
export function readResources(resources: JsonReader): LinuxResources {
  refuseFields(resources, ['rdma', 'unified']);
  return {
    Devices: resources.at('devices').list(readDeviceRule),
    Memory: resources.at('memory').maybe(readMemory),
    CPU: resources.at('cpu').maybe(readCpu),
    Pids: resources.at('pids').maybe((pids) => ({ Limit: pids.at('limit').i64() })),
    BlockIO: resources.at('blockIO').maybe(readBlockIo),
    HugepageLimits: resources.at('hugepageLimits').list((limit) => ({ Pagesize: limit.at('pageSize').text(), Limit: limit.at('limit').u64() })),
    Network: resources.at('network').maybe(readNetwork),
  };
}

function readDeviceRule(rule: JsonReader): LinuxDeviceCgroup {
  return {
    Allow: rule.at('allow').flag(),
    Type: rule.at('type').text(),
    Major: rule.at('major').maybe((major) => major.i64()) ?? ANY_NUMBER,
    Minor: rule.at('minor').maybe((minor) => minor.i64()) ?? ANY_NUMBER,
    Access: rule.at('access').text(),
  };
}

function readMemory(memory: JsonReader): LinuxMemory {
  return {
    Limit: memory.at('limit').i64(),
    Reservation: memory.at('reservation').i64(),
    Swap: memory.at('swap').i64(),
    Kernel: memory.at('kernel').i64(),
    KernelTCP: memory.at('kernelTCP').i64(),
    Swappiness: memory.at('swappiness').u64(),
    DisableOOMKiller: memory.at('disableOOMKiller').flag(),
  };
}

function readCpu(cpu: JsonReader): LinuxCPU {
  refuseFields(cpu, ['burst', 'idle']);
  return {
    Shares: cpu.at('shares').u64(),
    Quota: cpu.at('quota').i64(),
    Period: cpu.at('period').u64(),
    RealtimeRuntime: cpu.at('realtimeRuntime').i64(),
    RealtimePeriod: cpu.at('realtimePeriod').u64(),
    Cpus: cpu.at('cpus').text(),
    Mems: cpu.at('mems').text(),
  };
}

function readBlockIo(io: JsonReader): LinuxBlockIO {
  return {
    Weight: io.at('weight').u32(),
    LeafWeight: io.at('leafWeight').u32(),
    WeightDevice: io.at('weightDevice').list(readWeightDevice),
    ThrottleReadBpsDevice: io.at('throttleReadBpsDevice').list(readThrottleDevice),
    ThrottleWriteBpsDevice: io.at('throttleWriteBpsDevice').list(readThrottleDevice),
    ThrottleReadIOPSDevice: io.at('throttleReadIOPSDevice').list(readThrottleDevice),
    ThrottleWriteIOPSDevice: io.at('throttleWriteIOPSDevice').list(readThrottleDevice),
  };
}

function readWeightDevice(device: JsonReader): LinuxWeightDevice {
  return {
    Major: device.at('major').i64(),
    Minor: device.at('minor').i64(),
    Weight: device.at('weight').u32(),
    LeafWeight: device.at('leafWeight').u32(),
  };
}

function readThrottleDevice(device: JsonReader): LinuxThrottleDevice {
  return { Major: device.at('major').i64(), Minor: device.at('minor').i64(), Rate: device.at('rate').u64() };
}

function readNetwork(network: JsonReader): LinuxNetwork {
  return {
    ClassID: network.at('classID').u32(),
    Priorities: network.at('priorities').list((priority) => ({ Name: priority.at('name').text(), Priority: priority.at('priority').u32() })),
  };
}
