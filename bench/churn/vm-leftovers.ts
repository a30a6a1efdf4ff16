import { readdirSync, readlinkSync } from 'node:fs';
import { RawQmp } from '../raw/raw-qmp.ts';

/** What a VMM still has of disks that were all taken out, asked of itself and of the kernel. Its daemon has been stopped: a monitor serves one. */
export async function vmLeftovers(vmmPid: number, qmpSocket: string, signal: AbortSignal): Promise<readonly string[]> {
  using qmp = await RawQmp.connect(qmpSocket, signal);
  const objects = (await qmp.execute('qom-list', { path: '/machine/peripheral' })) as readonly { readonly name: string }[];
  const nodes = (await qmp.execute('query-named-block-nodes', { flat: true })) as readonly { readonly 'node-name': string }[];
  return [
    ...objects.map(({ name }) => name).filter((name) => name.startsWith('dev')).map((name) => `device ${name}`),
    ...nodes.map((node) => `node ${node['node-name']}`),
    ...readdirSync(`/proc/${vmmPid}/fd`).map((fd) => readlinkSync(`/proc/${vmmPid}/fd/${fd}`)).filter((path) => path.endsWith('.img')).map((path) => `open file ${path}`),
  ];
}
