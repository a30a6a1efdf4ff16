import { randomBytes } from 'node:crypto';
import { ociImage } from '../../test/fakes/oci-image.ts';
import type { LayerEntry, OciImage } from '../../test/fakes/oci-image.ts';

const MIB = 1024 * 1024;
const SMALL_BYTES = 16 * 1024;
const WORDS = 'the of and to in is that it was for on are as with his they at be this from or had by word but what some we can out other were all there when up use'.split(' ');

/** An image of so many MiB of files, as they come: many small ones of text, a few large ones, half of them packed already. Not the same twice: no store has any of it. */
export function largeImage(mib: number): OciImage {
  const part = Math.max(1, Math.round(mib / 4)) * MIB;
  return ociImage([texts(part), [{ path: 'usr/lib/program', content: halfPacked(part) }], [{ path: 'usr/share/data', content: randomBytes(part) }, { path: 'usr/share/more', content: halfPacked(part) }]], { Cmd: ['/bin/sh'] });
}

function texts(bytes: number): readonly LayerEntry[] {
  const text = Buffer.from(Array.from({ length: SMALL_BYTES }, () => WORDS[Math.floor(Math.random() * WORDS.length)]).join(' '));
  return Array.from({ length: Math.floor(bytes / SMALL_BYTES) }, (_each, index) => {
    const start = (index * 97) % (text.length - SMALL_BYTES);
    return { path: `usr/share/doc/${index % 100}/${index}`, content: text.subarray(start, start + SMALL_BYTES) };
  });
}

/** Noise and nothing in turns. */
function halfPacked(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 8192) randomBytes(4096).copy(content, at);
  return content;
}
