import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** One entry of a layer's archive. */
export interface LayerEntry {
  readonly path: string;
  /** Undefined: a directory. */
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly link?: string;
}

export interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** An image by its parts: blobs, the manifest among them. */
export interface OciImage {
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

const BLOCK = 512;
const TYPES = { manifest: 'application/vnd.oci.image.manifest.v1+json', config: 'application/vnd.oci.image.config.v1+json', layer: 'application/vnd.oci.image.layer.v1.tar+gzip' } as const;

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** An image of these layers, the lowest first. `config` is OCI's "config" object: Cmd, Env, User, … */
export function ociImage(layers: readonly (readonly LayerEntry[])[], config: object = {}, platform = { os: 'linux', architecture: 'amd64' }): OciImage {
  const tars = layers.map(tarOf);
  const blobs = tars.map((tar) => blobOf(gzipSync(tar), TYPES.layer));
  const configBlob = blobOf(Buffer.from(JSON.stringify({ created: '2026-01-02T03:04:05Z', ...platform, config, rootfs: { type: 'layers', diff_ids: tars.map(sha256) } })), TYPES.config);
  const manifest = { schemaVersion: 2, mediaType: TYPES.manifest, config: descriptor(configBlob), layers: blobs.map(descriptor) };
  return { manifest: blobOf(Buffer.from(JSON.stringify(manifest)), TYPES.manifest), config: configBlob, layers: blobs };
}

/** A layer with busybox and the names that it is called by; `sh` and `sleep` among them. */
export function busyboxLayer(): readonly LayerEntry[] {
  const program = readFileSync(new URL('../../build/images/busybox/rootfs/bin/busybox', import.meta.url));
  const applets = ['sh', 'cat', 'id', 'ls', 'sleep', 'true', 'pwd', 'env', 'touch', 'test', 'echo', 'kill'];
  return [{ path: 'bin/' }, { path: 'bin/busybox', content: program, mode: 0o755 }, ...applets.map((name) => ({ path: `bin/${name}`, link: 'busybox' })), { path: 'proc/' }, { path: 'sys/' }, { path: 'dev/' }, { path: 'tmp/', mode: 0o1777 }, { path: 'etc/' }];
}

/** Writes an OCI image layout (OCI image-spec, image-layout.md) with one image of that name. */
export async function writeLayout(directory: string, image: OciImage, name: string): Promise<void> {
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  for (const { digest, bytes } of [image.manifest, image.config, ...image.layers]) await writeFile(join(directory, 'blobs', digest.replace(':', '/')), bytes);
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const entry = { ...descriptor(image.manifest), annotations: { 'org.opencontainers.image.ref.name': name } };
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
}

function blobOf(bytes: Buffer, mediaType: string): Blob {
  return { digest: sha256(bytes), bytes, mediaType };
}

function descriptor({ mediaType, digest, bytes }: Blob): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size: bytes.length };
}

/** POSIX ustar (pax(1)): regular files, directories and symbolic links of root. */
function tarOf(entries: readonly LayerEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(tarEntry), Buffer.alloc(2 * BLOCK)]);
}

function tarEntry({ path, content, mode, link }: LayerEntry): readonly Buffer[] {
  const data = content === undefined ? Buffer.alloc(0) : Buffer.from(content);
  const type = link !== undefined ? '2' : content === undefined ? '5' : '0';
  const header = Buffer.alloc(BLOCK);
  header.write(path, 0, 100);
  const octal = (value: number, at: number, length: number): void => { header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, length); };
  octal(mode ?? (type === '5' ? 0o755 : 0o644), 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(data.length, 124, 12);
  octal(0, 136, 12);
  header.write('        ', 148, 8);
  header.write(type, 156, 1);
  header.write(link ?? '', 157, 100);
  header.write('ustar\0' + '00', 257, 8);
  octal(header.reduce((sum, byte) => sum + byte, 0), 148, 7);
  return [header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)];
}
