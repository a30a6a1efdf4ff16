import type { CliHost } from '../host.ts';

const patienceMs = 1000;

/** Does the work; says on a terminal what takes so long, once it takes longer than a second. The line is gone afterwards. */
export async function withSlowNotice<T>(host: CliHost, text: string, work: () => Promise<T>): Promise<T> {
  if (host.stderr.isTTY !== true) return await work();
  const done = new AbortController();
  const notice = { shown: false };
  host.clock.sleep(patienceMs, done.signal).then(
    () => {
      notice.shown = true;
      host.stderr.write(text);
    },
    // Done before it was worth a word.
    () => undefined,
  );
  try {
    return await work();
  } finally {
    done.abort();
    if (notice.shown) host.stderr.write('\r\u001b[K');
  }
}
