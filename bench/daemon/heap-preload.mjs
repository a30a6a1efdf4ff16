// Loaded into vivd by the bench alone (NODE_OPTIONS): at SIGUSR2 everything that can be collected is, and what is left is written to a file.
import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc');
const file = process.env.VIVARIUM_BENCH_HEAP;

process.on('SIGUSR2', () => {
  // The second time for what the first has made unreachable by running finalizers.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.new`, String(heapUsed + external));
  renameSync(`${file}.new`, file);
});
