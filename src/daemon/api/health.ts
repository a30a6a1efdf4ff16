import { ServerError, Status } from 'nice-grpc-common';
import { deferred, raceSignal } from '../../base/abort.ts';
import type { Deferred } from '../../base/abort.ts';
import { HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health.ts';
import type { HealthCheckRequest, HealthCheckResponse, HealthServiceImplementation } from '../../gen/grpc/health/v1/health.ts';
import type { ApiContext, RequestContext } from './call-context.ts';

/**
 * grpc.health.v1.Health for the whole daemon ("") and each of its services, which are ready together: NOT_SERVING while the daemon starts and
 * drains. An unknown service is NOT_FOUND in Check and SERVICE_UNKNOWN in Watch, as the protocol has it.
 */
export class HealthService implements HealthServiceImplementation<RequestContext> {
  readonly #services: ReadonlySet<string>;
  #serving = false;
  #changed: Deferred<undefined> = deferred<undefined>();

  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  setServing(serving: boolean): void {
    if (serving === this.#serving) return;
    this.#serving = serving;
    const changed = this.#changed;
    this.#changed = deferred<undefined>();
    changed.resolve(undefined);
  }

  async check(request: HealthCheckRequest): Promise<HealthCheckResponse> {
    if (!this.#services.has(request.service)) throw new ServerError(Status.NOT_FOUND, `unknown service ${JSON.stringify(request.service)}`);
    return { status: this.#status(request.service) };
  }

  async *watch(request: HealthCheckRequest, { signal }: ApiContext): AsyncGenerator<HealthCheckResponse, void, undefined> {
    for (;;) {
      const changed = this.#changed.promise;
      yield { status: this.#status(request.service) };
      await raceSignal(changed, signal);
    }
  }

  #status(service: string): ServingStatus {
    if (!this.#services.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.#serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }
}
