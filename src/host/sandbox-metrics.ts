import { Gauge, Registry } from 'prom-client';

/** What one sandbox uses, at the moment of a scrape. */
export interface SandboxFigures {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
  readonly pssBytes: number;
  /** Undefined when the guest can't be asked. */
  readonly guestMemoryUsedBytes: number | undefined;
  readonly guestLoad1: number | undefined;
}

const LABELS = ['sandbox', 'name'] as const;

/** Figures with a sandbox as label: many series, so on a registry of their own that is served only when it was asked for. */
export function sandboxRegistry(read: () => Promise<readonly SandboxFigures[]>): Registry {
  const registry = new Registry();
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, labelNames: [...LABELS], registers: [registry] });
  const gauges: readonly (readonly [Gauge, (figures: SandboxFigures) => number | undefined])[] = [
    [gauge('vivarium_sandbox_running', '1 while its VM runs.'), ({ state }) => (state === 'ready' || state === 'running' ? 1 : 0)],
    [gauge('vivarium_sandbox_memory_bytes', 'Memory that its VM has.'), ({ memoryBytes }) => memoryBytes],
    [gauge('vivarium_sandbox_cpu_seconds', 'CPU time of its processes on the host.'), ({ cpuSeconds }) => cpuSeconds],
    [gauge('vivarium_sandbox_proportional_bytes', 'Proportional share of memory (PSS) of its processes on the host.'), ({ pssBytes }) => pssBytes],
    [gauge('vivarium_sandbox_guest_memory_used_bytes', 'Memory in use inside the guest.'), ({ guestMemoryUsedBytes }) => guestMemoryUsedBytes],
    [gauge('vivarium_sandbox_guest_load1', 'Load average of the guest.'), ({ guestLoad1 }) => guestLoad1],
  ];
  new Gauge({
    name: 'vivarium_sandbox_count',
    help: 'Sandboxes in this scrape.',
    registers: [registry],
    async collect() {
      const all = await read();
      this.set(all.length);
      for (const [each, value] of gauges) {
        each.reset();
        for (const figures of all) {
          const number = value(figures);
          if (number !== undefined) each.set({ sandbox: figures.id, name: figures.name }, number);
        }
      }
    },
  });
  return registry;
}
