import { expect, it } from 'vitest';
import type { ExecSpec, RootfsSource } from '../../../src/core/model/sandbox-spec.ts';
import type { ResolvedSource } from '../../../src/core/ports/storage.ts';
import { OciTranslation } from '../../../src/storage/oci-translator.ts';
import type { OciTranslationOptions } from '../../../src/storage/oci-translator.ts';
import type { UserFiles } from '../../../src/storage/oci/users.ts';
import { CONTAINER_ID, containerSpec } from '../../fakes/records.ts';

const USERS: UserFiles = { passwd: 'root:x:0:0::/root:\n', group: '' };
const ROOTFS: RootfsSource = { kind: 'path', path: '/srv/root' };
const EXEC: ExecSpec = { command: ['true'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false };

class Translations {
  readonly read: string[] = [];
  readonly oci: OciTranslation;
  failing = false;

  constructor() {
    const readUserFiles: OciTranslationOptions['readUserFiles'] = async (rootfs) => {
      this.read.push(rootfs);
      if (this.failing) throw new Error('EIO');
      return USERS;
    };
    const sources = { resolve: async () => source() } as unknown as OciTranslationOptions['sources'];
    this.oci = new OciTranslation({ sources, readUserFiles, makeVolumes: async () => [] });
  }

  async exec(from: ResolvedSource): Promise<unknown> {
    return await this.oci.process({ containerId: CONTAINER_ID, execId: 'e', hostname: 'web', spec: containerSpec({ rootfs: ROOTFS }), exec: EXEC, source: from, rootfs: '/mounted' });
  }
}

function source(): ResolvedSource {
  return { source: ROOTFS, lowers: ['/srv/root'], image: undefined, bundleSpec: undefined };
}

it('reads the users of a running container once, however many processes are started in it', async () => {
  const translations = new Translations();
  const running = source();
  const first = await translations.exec(running);
  expect(await translations.exec(running)).toEqual(first);
  expect(translations.read).toEqual(['/srv/root']);
  await translations.exec(source());
  expect(translations.read).toHaveLength(2);
});

it('reads again after a failure', async () => {
  const translations = new Translations();
  const running = source();
  translations.failing = true;
  await expect(translations.exec(running)).rejects.toThrow('EIO');
  translations.failing = false;
  await expect(translations.exec(running)).resolves.toMatchObject({ args: ['true'] });
});
