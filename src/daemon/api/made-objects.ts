import { DomainError } from '../../core/model/errors.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { CreateContainerResponse } from '../../gen/vivarium/v1/container.ts';
import type { CreateSandboxResponse } from '../../gen/vivarium/v1/sandbox.ts';
import type { ContainerView, Services } from '../services/facade.ts';
import { modeToWire, phasesToWire } from './convert-common.ts';
import { containerToWire } from './convert-container.ts';
import { sandboxToWire } from './convert-sandbox.ts';
import type { RequestMethod } from './request-methods.ts';

/** What a create has made, told as the create would have told it, from the record alone. */
export class MadeObjects {
  readonly #services: Pick<Services, 'sandboxes' | 'containers'>;

  constructor(services: Pick<Services, 'sandboxes' | 'containers'>) {
    this.#services = services;
  }

  /**
   * Waits until it is known what the last daemon left. Undefined: it is not there, so it was undone. RECOVERING while that can't be told;
   * HOST_RESOURCE when the create failed and could not be undone.
   */
  async find(subject: RequestMethod['subject'], id: string, options: WaitOptions): Promise<CreateSandboxResponse | CreateContainerResponse | undefined> {
    if (subject === 'new-sandbox') return await this.#sandbox(id, options);
    return subject === 'new-container' ? await this.#container(id, options) : undefined;
  }

  async #sandbox(id: string, options: WaitOptions): Promise<CreateSandboxResponse | undefined> {
    await this.#services.sandboxes.recovered(id, options);
    const record = unlessMissing(() => this.#services.sandboxes.get(id));
    if (record === undefined) return undefined;
    if (record.readyAtMs === undefined) {
      if (record.state !== 'failed') throw notKnown('sandbox', id);
      throw new DomainError('HOST_RESOURCE', record.causeDetail, { sandboxId: id, remedy: 'delete it; what remains is in its resources' });
    }
    return { sandbox: sandboxToWire(record), mode: modeToWire(record.mode), phases: phasesToWire(record.phases) };
  }

  async #container(id: string, options: WaitOptions): Promise<CreateContainerResponse | undefined> {
    const before = this.#view(id);
    if (before === undefined) return undefined;
    await this.#services.sandboxes.recovered(before.sandbox.id, options);
    const view = this.#view(id);
    if (view === undefined) return undefined;
    if (view.container.state === 'creating') throw notKnown('container', id);
    return { container: containerToWire(view), mode: modeToWire(view.sandbox.mode), phases: phasesToWire(view.container.phases) };
  }

  #view(id: string): ContainerView | undefined {
    return unlessMissing(() => this.#services.containers.get(id));
  }
}

function unlessMissing<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (error instanceof DomainError && (error.reason === 'SANDBOX_NOT_FOUND' || error.reason === 'CONTAINER_NOT_FOUND')) return undefined;
    throw error;
  }
}

function notKnown(what: 'sandbox' | 'container', id: string): DomainError {
  return new DomainError('RECOVERING', `whether ${what} ${id} was made is not known yet`, { remedy: 'send the request again in a moment' });
}
