import type { ConsoleRequest } from '../../gen/vivarium/v1/sandbox.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { writeAll } from '../format/write-all.ts';
import { DetachMatcher, parseDetachKeys } from '../stream/detach-keys.ts';
import { rawMode } from '../stream/terminal.ts';
import { Wakeup } from '../stream/wakeup.ts';

interface ConsoleFlags {
  readonly interactive?: boolean;
  readonly replay: boolean;
  readonly follow: boolean;
  readonly detachKeys: string;
}

/** `viv sandbox console`: what the VM's serial line says; with -i what is typed goes there, until the detach keys. */
export const console: Action<ConsoleFlags> = async (context, operands, flags) => {
  const { sandboxes } = await context.connect('sandboxes');
  const left = new AbortController();
  const signal = AbortSignal.any([context.signal, left.signal]);
  const start: ConsoleRequest = { message: { $case: 'start', value: { sandboxId: operands[0] ?? '', replay: flags.replay, noFollow: !flags.follow } } };
  using keyboard = flags.interactive === true ? new Keyboard(context, parseDetachKeys(flags.detachKeys), () => { left.abort(); }) : undefined;
  try {
    for await (const { data } of sandboxes.console(requests(start, keyboard), { signal })) await writeAll(context.host.stdout, data, signal);
  } catch (error) {
    if (!left.signal.aborted) throw error;
  }
  return ExitCode.ok;
};

async function* requests(start: ConsoleRequest, keyboard: Keyboard | undefined): AsyncGenerator<ConsoleRequest> {
  yield start;
  if (keyboard === undefined) return;
  for await (const input of keyboard.typed()) yield { message: { $case: 'input', value: input } };
}

/** What is typed, key by key when it is a terminal. */
class Keyboard implements Disposable {
  readonly #context: CommandContext;
  readonly #matcher: DetachMatcher;
  readonly #wakeup = new Wakeup();
  readonly #raw: Disposable | undefined;
  readonly #onInput = (): void => { this.#wakeup.notify(); };
  readonly #detach: () => void;
  #over = false;

  constructor(context: CommandContext, keys: Uint8Array, detach: () => void) {
    const { stdin } = context.host;
    this.#context = context;
    this.#matcher = new DetachMatcher(stdin.isTTY === true ? keys : new Uint8Array());
    this.#raw = stdin.isTTY === true ? rawMode(context.host) : undefined;
    this.#detach = detach;
    for (const event of ['readable', 'end', 'error']) stdin.on(event, this.#onInput);
  }

  async *typed(): AsyncGenerator<Buffer> {
    const { stdin } = this.#context.host;
    while (!this.#over) {
      const chunk: unknown = stdin.read();
      if (chunk === null) {
        if (stdin.readableEnded || stdin.destroyed) return;
        await this.#wakeup.wait();
        continue;
      }
      const { pass, detached } = this.#matcher.feed(chunk as Buffer);
      if (pass.length > 0) yield pass;
      if (detached) this.#detach();
    }
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#wakeup.notify();
    this.#raw?.[Symbol.dispose]();
    for (const event of ['readable', 'end', 'error']) this.#context.host.stdin.off(event, this.#onInput);
    this.#context.host.stdin.pause();
  }
}
