import { randomBytes } from 'node:crypto';
import { deferred } from '../../src/base/abort.ts';
import type { Deferred } from '../../src/base/abort.ts';
import type { GuestAgent } from '../../src/core/ports/agent.ts';

/** A shell script in a container of a guest, and the words that it says, a line each. */
export class GuestScript {
  /** Settles when the script is over. */
  readonly over: Promise<void>;
  #said = '';
  #awaited: { readonly word: string; readonly heard: Deferred<undefined> } | undefined;

  private constructor(agent: GuestAgent, key: { readonly containerId: string; readonly execId: string }, signal: AbortSignal) {
    this.over = this.#read(agent, key, signal);
    this.over.catch(() => undefined);
  }

  static async start(agent: GuestAgent, containerId: string, script: string, signal: AbortSignal): Promise<GuestScript> {
    const execId = `script-${randomBytes(6).toString('hex')}`;
    await agent.exec({
      containerId, execId, args: ['sh', '-c', script], env: ['PATH=/bin:/usr/bin:/sbin'], cwd: '/', terminal: false, uid: 0, gid: 0, additionalGids: [], capabilities: [], noNewPrivileges: false, rlimits: [],
    }, { signal });
    return new GuestScript(agent, { containerId, execId }, signal);
  }

  /** Resolves once it has said this word. */
  async says(word: string): Promise<void> {
    const heard = deferred<undefined>();
    this.#awaited = { word, heard };
    this.#look();
    await Promise.race([heard.promise, this.over.then(() => { if (!this.#said.includes(`${word}\n`)) throw new Error(`the script ended without ${word}: ${this.#said}`); })]);
  }

  async #read(agent: GuestAgent, key: { readonly containerId: string; readonly execId: string }, signal: AbortSignal): Promise<void> {
    for await (const event of agent.output(key, { stdout: 0n, stderr: 0n }, { signal })) {
      if (event.kind !== 'stdout' && event.kind !== 'stderr') continue;
      this.#said += Buffer.from(event.data).toString();
      this.#look();
    }
  }

  #look(): void {
    if (this.#awaited !== undefined && this.#said.includes(`${this.#awaited.word}\n`)) this.#awaited.heard.resolve(undefined);
  }
}
