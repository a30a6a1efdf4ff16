// A process of its own, so that the creates do not share its event loop: asks for one sandbox and for all of them, again and again, until its
// stdin ends; then prints what each call took in milliseconds, as JSON.
import { setTimeout as delay } from 'node:timers/promises';
import { timed } from '../stats.ts';
import { BenchClient } from './client.ts';

/** So long between two calls: a caller that polls, not one that floods. */
const PAUSE_MS = 5;

const [host = '', sandboxId = ''] = process.argv.slice(2);
using client = new BenchClient(host);
const get: number[] = [];
const list: number[] = [];
const listed: number[] = [];
const over = new AbortController();
process.stdin.once('end', () => { over.abort(); });
process.stdin.resume();
await client.sandboxes.listSandboxes({});
process.stdout.write('ready\n');
while (!over.signal.aborted) {
  get.push((await timed(() => client.sandboxes.getSandbox({ sandboxId }))).ms);
  await delay(PAUSE_MS);
  const all = await timed(() => client.sandboxes.listSandboxes({}));
  list.push(all.ms);
  listed.push(all.value.sandboxes.length);
  await delay(PAUSE_MS);
}
process.stdout.write(`${JSON.stringify({ get, list, listed })}\n`);
