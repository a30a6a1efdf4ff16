import { defineConfig } from 'vitest/config';

const slow = { testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    projects: [
      // Properties of thousands of cases take seconds on a busy host.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts', 'test/architecture/**/*.test.ts', 'test/golden/**/*.test.ts'], pool: 'threads', testTimeout: 60_000 } },
      { test: { name: 'integration', include: ['test/integration/**/*.integration.test.ts', 'test/contract/**/*.contract.test.ts'], ...slow } },
      // Real virtual machines: one file at a time.
      { test: { name: 'system', include: ['test/system/**/*.system.test.ts'], fileParallelism: false, testTimeout: 240_000, hookTimeout: 240_000 } },
      // A whole host in a VM under emulation: `make lab-test`.
      { test: { name: 'lab', include: ['test/lab/**/*.lab.test.ts'], fileParallelism: false, hookTimeout: 900_000 } },
    ],
  },
});
