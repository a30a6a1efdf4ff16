import { bad, ConfigValueError } from './config-values.ts';
import type { ValueKind } from './config-values.ts';

/** A registry that is asked before the one that an image's name tells. */
export interface RegistryMirror {
  readonly url: string;
  /** It is spoken to without TLS. */
  readonly insecure: boolean;
}

/** URLs in the order in which they are asked; in flags and environment with blanks between them. `http://` is without TLS. */
export const mirrorsKind: ValueKind<readonly RegistryMirror[]> = {
  shape: 'URL[ URL…]',
  read: (raw) => Object.freeze((typeof raw === 'string' ? raw.split(/\s+/).filter((part) => part !== '') : raw).map(readMirror)),
  write: (value) => value.map(({ url }) => url),
};

function readMirror(text: string): RegistryMirror {
  if (!URL.canParse(text)) throw bad(text, 'must be a URL such as https://mirror.example');
  const { protocol, username, password, search, hash } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') throw bad(text, 'must be a URL with https or http');
  if (username !== '' || password !== '') throw new ConfigValueError('credentials belong into registry_auth_file');
  if (search !== '' || hash !== '') throw bad(text, 'must be a URL without a query');
  return Object.freeze({ url: text.replace(/\/+$/, ''), insecure: protocol === 'http:' });
}
