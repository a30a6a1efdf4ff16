import type { ContainerSetup } from '../../src/core/ports/agent.ts';
import type { ContainerSpec } from '../../src/core/model/sandbox-spec.ts';
import { DirectoryImageStore } from '../../src/storage/image-store.ts';
import { OciTranslation } from '../../src/storage/oci-translator.ts';
import { readUserFiles } from '../../src/storage/rootfs-users.ts';
import { SourceResolver } from '../../src/storage/source-resolver.ts';
import { makeVolumeDirectories } from '../../src/storage/volume-directories.ts';
import { nodeStorageFiles } from '../../src/storage/storage-files.ts';
import { IMAGES } from '../paths.ts';

const SPEC: ContainerSpec = {
  name: '', metadata: { name: '', attempt: 0 }, rootfsMode: 'auto', rootfs: { kind: 'image', name: 'busybox' }, entrypoint: [], args: ['sleep', '100000'], env: [], workingDir: '', user: '',
  tty: false, stdin: false, labels: {}, annotations: {}, resources: { cpus: 0, cpuShares: 0, cpusetCpus: '', memoryBytes: 0, pidsLimit: 0 },
  security: {
    privileged: false, capAdd: [], capDrop: [], readOnlyRootfs: false, noNewPrivileges: false, sysctls: {}, rlimits: [], maskedPaths: [], readonlyPaths: [],
    unmasked: false, seccompProfileJson: '',
  },
  stopSignal: '', shmSizeBytes: 0, ttySize: undefined, autoRemove: false, mounts: [], devices: [],
};

/** What the daemon would tell the agent of a container that sleeps, and the directory below its root file system. */
export async function sleeperSetup(containerId: string): Promise<{ readonly setup: ContainerSetup; readonly lower: string }> {
  const files = nodeStorageFiles();
  const oci = new OciTranslation({ sources: new SourceResolver(new DirectoryImageStore([IMAGES], files), files), readUserFiles, makeVolumes: makeVolumeDirectories });
  const source = await oci.resolve(SPEC.rootfs);
  const { spec } = await oci.container({ containerId, hostname: 'raw', spec: SPEC, source });
  return { setup: { containerId, spec, storages: [], devices: [], sharedPidNamespace: false }, lower: source.lowers[0] ?? '' };
}
