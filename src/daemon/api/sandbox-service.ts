import type { ServiceImplementation } from 'nice-grpc';
import type {
  ConsoleRequest, ConsoleResponse, CreateSandboxRequest, CreateSandboxResponse, DeleteSandboxRequest, DeleteSandboxResponse, GetSandboxRequest,
  GetSandboxStatsRequest, GetSandboxStatsResponse, ListSandboxesRequest, PauseSandboxRequest, PauseSandboxResponse, ResumeSandboxRequest,
  ResumeSandboxResponse, StartSandboxRequest, StartSandboxResponse, StopSandboxRequest, StopSandboxResponse, UpdateSandboxRequest,
  UpdateSandboxResponse, WaitSandboxRequest, WaitSandboxResponse,
} from '../../gen/vivarium/v1/sandbox.ts';
import type { SandboxOperations } from '../services/facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { pumpConsole } from './console-stream.ts';
import { modeToWire, phasesToWire } from './convert-common.ts';
import { asBuffer } from './convert-container.ts';
import { sandboxStatsToWire, sandboxToWire, waitToWire } from './convert-sandbox.ts';
import { parsed } from './field-errors.ts';
import { firstMessage, laterMessages } from './first-message.ts';
import { LIMITS } from './limits.ts';
import { SandboxEncoder } from './sandbox-encoding.ts';
import type { ENCODED_SANDBOX_SERVICE, EncodedMessage } from './sandbox-encoding.ts';
import { parseSandboxCall, parseSandboxRef, parseStopSandbox, parseUpdateSandbox } from './validate-calls.ts';
import { checkReference } from './validate-fields.ts';
import { parseCreateSandbox, parseListSandboxes } from './validate-sandbox.ts';

/** vivarium.v1.SandboxService: parse, call, convert. */
export class SandboxService implements ServiceImplementation<typeof ENCODED_SANDBOX_SERVICE, RequestContext> {
  readonly #encoder = new SandboxEncoder();
  readonly #sandboxes: SandboxOperations;

  constructor(sandboxes: SandboxOperations) {
    this.#sandboxes = sandboxes;
  }

  async createSandbox(request: CreateSandboxRequest, { signal, attempt }: ApiContext): Promise<CreateSandboxResponse> {
    const { spec, requestId } = parseCreateSandbox(request);
    const { value, mode, phases } = await this.#sandboxes.create(spec, { requestId, signal, attempt });
    return { sandbox: sandboxToWire(value), mode: modeToWire(mode), phases: phasesToWire(phases) };
  }

  async startSandbox(request: StartSandboxRequest, { signal }: ApiContext): Promise<StartSandboxResponse> {
    const { ref, requestId } = parseSandboxCall(request);
    const { value, mode, phases, startedContainerIds } = await this.#sandboxes.start(ref, { requestId, signal });
    return { sandbox: sandboxToWire(value), mode: modeToWire(mode), phases: phasesToWire(phases), startedContainerIds: [...startedContainerIds] };
  }

  async stopSandbox(request: StopSandboxRequest, { signal }: ApiContext): Promise<StopSandboxResponse> {
    const { ref, requestId, graceMs } = parseStopSandbox(request);
    const { value, mode, phases } = await this.#sandboxes.stop(ref, { force: request.force, graceMs }, { requestId, signal });
    return { sandbox: sandboxToWire(value), phases: phasesToWire(phases), mode: modeToWire(mode) };
  }

  async deleteSandbox(request: DeleteSandboxRequest, { signal }: ApiContext): Promise<DeleteSandboxResponse> {
    const { ref, requestId } = parseSandboxCall(request);
    const { mode } = this.#sandboxes.get(ref);
    return { mode: modeToWire(mode), phases: phasesToWire(await this.#sandboxes.delete(ref, { force: request.force, removeVolumes: request.removeVolumes }, { requestId, signal })) };
  }

  async getSandbox(request: GetSandboxRequest): Promise<EncodedMessage> {
    return this.#encoder.one(this.#sandboxes.get(parseSandboxRef(request)));
  }

  async listSandboxes(request: ListSandboxesRequest): Promise<EncodedMessage> {
    const { labels, states, page } = parseListSandboxes(request);
    const { items, nextToken } = this.#sandboxes.list({ labels, states }, page);
    return this.#encoder.list(items, nextToken);
  }

  async pauseSandbox(request: PauseSandboxRequest, { signal }: ApiContext): Promise<PauseSandboxResponse> {
    const { ref, requestId } = parseSandboxCall(request);
    const { value, mode, phases } = await this.#sandboxes.pause(ref, { requestId, signal });
    return { sandbox: sandboxToWire(value), phases: phasesToWire(phases), mode: modeToWire(mode) };
  }

  async resumeSandbox(request: ResumeSandboxRequest, { signal, attempt }: ApiContext): Promise<ResumeSandboxResponse> {
    const { ref, requestId } = parseSandboxCall(request);
    const { value, mode, phases } = await this.#sandboxes.resume(ref, { requestId, signal, attempt });
    return { sandbox: sandboxToWire(value), phases: phasesToWire(phases), mode: modeToWire(mode) };
  }

  async waitSandbox(request: WaitSandboxRequest, { signal }: ApiContext): Promise<WaitSandboxResponse> {
    return waitToWire(await this.#sandboxes.wait(parseSandboxRef(request), { signal }));
  }

  async getSandboxStats(request: GetSandboxStatsRequest, { signal }: ApiContext): Promise<GetSandboxStatsResponse> {
    return sandboxStatsToWire(await this.#sandboxes.stats(parseSandboxRef(request), { signal }));
  }

  async updateSandbox(request: UpdateSandboxRequest, { signal, attempt }: ApiContext): Promise<UpdateSandboxResponse> {
    const { ref, requestId, labels } = parseUpdateSandbox(request);
    return { sandbox: sandboxToWire(await this.#sandboxes.updateLabels(ref, labels, { requestId, signal, attempt })) };
  }

  async *console(requests: AsyncIterable<ConsoleRequest>, { signal }: ApiContext): AsyncGenerator<ConsoleResponse, void, undefined> {
    const messages = requests[Symbol.asyncIterator]();
    const { value: start } = await firstMessage(messages, ['start'], signal);
    const ref = parsed((errors) => checkReference(errors, 'start.sandbox_id', start.sandboxId));
    using session = await this.#sandboxes.console(ref, { replay: start.replay, follow: !start.noFollow }, { signal });
    for await (const data of pumpConsole(session, consoleInput(messages), signal)) yield { data: asBuffer(data) };
  }
}

async function* consoleInput(messages: AsyncIterator<ConsoleRequest>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { value } of laterMessages(messages, ['start'])) {
    parsed((errors) => errors.check(value.length <= LIMITS.streamDataBytes, 'input', `has ${value.length} bytes, at most ${LIMITS.streamDataBytes} are allowed`));
    yield value;
  }
}
