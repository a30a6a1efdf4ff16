import { mkdtempSync, rmSync } from 'node:fs';

/** A directory with a name short enough for sockets, removed at the end. */
export class TempDirectory implements Disposable {
  readonly path = mkdtempSync('/tmp/vv-');

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
