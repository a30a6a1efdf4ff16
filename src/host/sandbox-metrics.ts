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

interface Series {
  readonly name: string;
  readonly help: string;
  readonly value: (figures: SandboxFigures) => number | undefined;
}

const SERIES: readonly Series[] = [
  { name: 'vivarium_sandbox_running', help: '1 while its VM runs.', value: ({ state }) => (state === 'ready' || state === 'running' ? 1 : 0) },
  { name: 'vivarium_sandbox_memory_bytes', help: 'Memory that its VM has.', value: ({ memoryBytes }) => memoryBytes },
  { name: 'vivarium_sandbox_cpu_seconds', help: 'CPU time of its processes on the host.', value: ({ cpuSeconds }) => cpuSeconds },
  { name: 'vivarium_sandbox_proportional_bytes', help: 'Proportional share of memory (PSS) of its processes on the host.', value: ({ pssBytes }) => pssBytes },
  { name: 'vivarium_sandbox_guest_memory_used_bytes', help: 'Memory in use inside the guest.', value: ({ guestMemoryUsedBytes }) => guestMemoryUsedBytes },
  { name: 'vivarium_sandbox_guest_load1', help: 'Load average of the guest.', value: ({ guestLoad1 }) => guestLoad1 },
];

/** Figures with a sandbox as label: many series, so on a registry of their own that is served only when it was asked for. */
export function sandboxRegistry(read: () => Promise<readonly SandboxFigures[]>): Registry {
  const registry = new Registry();
  let reading: Promise<readonly SandboxFigures[]> | undefined;
  // All series of one scrape share one reading.
  const figures = (): Promise<readonly SandboxFigures[]> => {
    reading ??= read().finally(() => { reading = undefined; });
    return reading;
  };
  for (const { name, help, value } of SERIES) {
    new Gauge({
      name,
      help,
      labelNames: ['sandbox', 'name'],
      registers: [registry],
      async collect() {
        const all = await figures();
        this.reset();
        for (const one of all) {
          const number = value(one);
          if (number !== undefined) this.set({ sandbox: one.id, name: one.name }, number);
        }
      },
    });
  }
  return registry;
}
