/** One stanza of `apt-cache show`, as far as it matters here. */
export interface DebRecord {
  readonly package: string;
  readonly version: string;
  readonly architecture: string;
  readonly size: number;
  readonly sha256: string;
  /** Names of the direct dependencies, first alternatives only, versions dropped. */
  readonly depends: readonly string[];
}

/** Parses the output of `apt-cache show` (deb822 stanzas). Stanzas without a digest, as of locally installed packages, are left out. */
export function parseDebRecords(text: string): DebRecord[] {
  return text.split(/\n\n+/).flatMap((stanza) => {
    const fields = parseStanza(stanza);
    const name = fields.get('Package');
    const version = fields.get('Version');
    const sha256 = fields.get('SHA256');
    const size = Number(fields.get('Size'));
    if (name === undefined || version === undefined || sha256 === undefined || !Number.isSafeInteger(size)) return [];
    return [{
      package: name,
      version,
      architecture: fields.get('Architecture') ?? 'all',
      size,
      sha256: sha256.toLowerCase(),
      depends: dependNames(fields.get('Depends') ?? ''),
    }];
  });
}

function parseStanza(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of stanza.split('\n')) {
    const match = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
    if (match?.[1] !== undefined) fields.set(match[1], match[2] ?? '');
  }
  return fields;
}

function dependNames(depends: string): string[] {
  return depends.split(',').map((item) => (item.split('|')[0] ?? '').trim().split(/[\s(:]/)[0] ?? '').filter(Boolean);
}
