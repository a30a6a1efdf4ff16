import type { AgentEvent } from '../core/ports/agent.ts';

/** Events for one listener, in order; those that come before it listens wait for it. */
export class EventRelay {
  #listener: ((event: AgentEvent) => void) | undefined;
  #waiting: AgentEvent[] = [];

  listen(listener: (event: AgentEvent) => void): void {
    this.#listener = listener;
    for (const event of this.#waiting.splice(0)) listener(event);
  }

  emit(event: AgentEvent): void {
    if (this.#listener === undefined) this.#waiting.push(event);
    else this.#listener(event);
  }
}
