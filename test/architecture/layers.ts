import type { ImportGraph } from './import-graph.ts';

const BELOW_DRIVERS = ['core', 'base'] as const;

/**
 * Which rooms a room may import, besides itself. Arrows go down only: main → api → services → core, each driver room → core, base below all. No
 * driver room knows another, nor host, nor the daemon. `wiring` is the one place that knows everybody.
 */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  gen: [],
  base: [],
  core: ['base'],
  host: BELOW_DRIVERS,
  hypervisors: BELOW_DRIVERS,
  agents: [...BELOW_DRIVERS, 'gen'],
  network: BELOW_DRIVERS,
  devices: BELOW_DRIVERS,
  storage: BELOW_DRIVERS,
  store: BELOW_DRIVERS,
  services: BELOW_DRIVERS,
  api: ['services', ...BELOW_DRIVERS, 'gen'],
  daemon: ['api', 'services', 'host', ...BELOW_DRIVERS, 'wiring'],
  wiring: ['daemon', 'api', 'services', 'host', 'hypervisors', 'agents', 'network', 'devices', 'storage', 'store', ...BELOW_DRIVERS],
  cli: ['gen', 'base'],
};

/** The room of a file below src; undefined for a place that is no room. */
export function roomOf(path: string): string | undefined {
  const [src, top, next] = path.split('/');
  if (src !== 'src' || top === undefined) return undefined;
  if (top !== 'daemon') return Object.hasOwn(MAY_IMPORT, top) ? top : undefined;
  if (next === 'api' || next === 'services') return next;
  return next?.includes('wiring') === true ? 'wiring' : 'daemon';
}

/** Every import against the table, as `FILE (ROOM) imports FILE (ROOM)`. */
export function turnedArrows(graph: ImportGraph): readonly string[] {
  return [...graph].flatMap(([file, imports]) => {
    const from = roomOf(file);
    if (from === undefined) return [`${file} lies in no room`];
    return imports.filter((imported) => imported !== 'package.json').flatMap((imported) => {
      const to = roomOf(imported);
      if (to === from || (to !== undefined && MAY_IMPORT[from]?.includes(to) === true)) return [];
      return [`${file} (${from}) imports ${imported} (${to ?? 'no room'})`];
    });
  });
}
