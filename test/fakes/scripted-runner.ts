import type { ProcessRunner, RunResult } from '../../src/core/ports/host.ts';

type RunOptions = Parameters<ProcessRunner['run']>[2];

export interface RunCall {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: RunOptions;
}

type Answer = Partial<RunResult> | Error | ((call: RunCall) => Promise<Partial<RunResult>> | Partial<RunResult>);

/** Answers helpers by script: one answer a call, in order. A call without one fails the test. */
export class ScriptedRunner implements ProcessRunner {
  readonly calls: RunCall[] = [];
  readonly #answers: Answer[];

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  /** Answers that no call has taken. */
  get unused(): number {
    return this.#answers.length;
  }

  add(answer: Answer): void {
    this.#answers.push(answer);
  }

  async run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
    const call = { command, args, options };
    this.calls.push(call);
    const answer = this.#answers.shift();
    if (answer === undefined) throw new Error(`no answer scripted for: ${command} ${args.join(' ')}`);
    if (answer instanceof Error) throw answer;
    const result = typeof answer === 'function' ? await answer(call) : answer;
    return { code: 0, stdout: '', stderr: '', ...result };
  }
}
