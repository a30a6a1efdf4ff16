import type { Clock } from '../../core/ports/host.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type {
  AttachRequest, AttachResponse, ContainerServiceImplementation, CreateContainerRequest, CreateContainerResponse, DeleteContainerRequest, DeleteContainerResponse,
  ExecRequest, ExecResponse, GetContainerLogsRequest, GetContainerLogsResponse, GetContainerRequest, GetContainerResponse, GetContainerStatsRequest,
  GetContainerStatsResponse, KillContainerRequest, KillContainerResponse, ListContainersRequest, ListContainersResponse, PauseContainerRequest, PauseContainerResponse,
  ResizeContainerTtyRequest, ResizeContainerTtyResponse, ResumeContainerRequest, ResumeContainerResponse, StartContainerRequest, StartContainerResponse,
  StopContainerRequest, StopContainerResponse, WaitContainerRequest, WaitContainerResponse,
} from '../../gen/vivarium/v1/container.ts';
import type { ContainerOperations } from '../services/facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { modeToWire, phasesToWire } from './convert-common.ts';
import { containerStatsToWire, containerToWire, exitToWire, logEventToWire } from './convert-container.ts';
import { firstMessage, laterMessages } from './first-message.ts';
import { openAttach, openExec, STREAM_OPENERS } from './open-stream.ts';
import type { StreamParts } from './open-stream.ts';
import type { RequestOnce } from './request-once.ts';
import { ProcessPump } from './process-stream.ts';
import { parseContainerCall, parseContainerRef, parseStopContainer } from './validate-calls.ts';
import { parseCreateContainer, parseKill, parseListContainers } from './validate-container.ts';
import { parseLogs, parseResizeTty } from './validate-streams.ts';

/** vivarium.v1.ContainerService: parse, call, convert. */
export class ContainerService implements ContainerServiceImplementation<RequestContext> {
  readonly #containers: ContainerOperations;
  readonly #streams: StreamParts;
  readonly #parts: { readonly logger: Logger; readonly clock: Clock };

  constructor(containers: ContainerOperations, requests: RequestOnce, parts: { readonly logger: Logger; readonly clock: Clock }) {
    this.#containers = containers;
    this.#streams = { containers, requests };
    this.#parts = parts;
  }

  async createContainer(request: CreateContainerRequest, { signal, attempt }: ApiContext): Promise<CreateContainerResponse> {
    const { sandboxRef, spec, requestId } = parseCreateContainer(request);
    const { value, mode, phases } = await this.#containers.create(sandboxRef, spec, { requestId, signal, attempt });
    return { container: containerToWire(value), mode: modeToWire(mode), phases: phasesToWire(phases) };
  }

  async startContainer(request: StartContainerRequest, { signal, attempt }: ApiContext): Promise<StartContainerResponse> {
    const { ref, requestId } = parseContainerCall(request);
    const { value, mode, phases } = await this.#containers.start(ref, { requestId, signal, attempt });
    return { container: containerToWire(value), mode: modeToWire(mode), phases: phasesToWire(phases) };
  }

  async stopContainer(request: StopContainerRequest, { signal }: ApiContext): Promise<StopContainerResponse> {
    const { ref, requestId, graceMs } = parseStopContainer(request);
    const { value, mode, phases } = await this.#containers.stop(ref, graceMs, { requestId, signal });
    return { container: containerToWire(value), phases: phasesToWire(phases), mode: modeToWire(mode) };
  }

  async killContainer(request: KillContainerRequest, context: ApiContext): Promise<KillContainerResponse> {
    const { containerRef, signal, requestId } = parseKill(request);
    await this.#containers.kill(containerRef, signal, request.all, { requestId, signal: context.signal });
    return {};
  }

  async deleteContainer(request: DeleteContainerRequest, { signal }: ApiContext): Promise<DeleteContainerResponse> {
    const { ref, requestId } = parseContainerCall(request);
    const { mode } = this.#containers.get(ref).sandbox;
    return { mode: modeToWire(mode), phases: phasesToWire(await this.#containers.delete(ref, { force: request.force, removeVolumes: request.removeVolumes }, { requestId, signal })) };
  }

  async getContainer(request: GetContainerRequest): Promise<GetContainerResponse> {
    return { container: containerToWire(this.#containers.get(parseContainerRef(request))) };
  }

  async listContainers(request: ListContainersRequest): Promise<ListContainersResponse> {
    const { filter, page } = parseListContainers(request);
    const { items, nextToken } = this.#containers.list(filter, page);
    return { containers: items.map(containerToWire), nextPageToken: nextToken };
  }

  async waitContainer(request: WaitContainerRequest, { signal }: ApiContext): Promise<WaitContainerResponse> {
    return { exit: exitToWire(await this.#containers.wait(parseContainerRef(request), { signal })) };
  }

  async *exec(requests: AsyncIterable<ExecRequest>, { signal }: ApiContext): AsyncGenerator<ExecResponse, void, undefined> {
    const messages = requests[Symbol.asyncIterator]();
    const opened = await openExec(this.#streams, await firstMessage(messages, STREAM_OPENERS, signal), signal);
    using stream = opened.stream;
    const pump = new ProcessPump(stream, { ...this.#parts, takesStdin: opened.takesStdin });
    for await (const message of pump.run(laterMessages(messages, STREAM_OPENERS), signal)) yield { message };
  }

  async *attach(requests: AsyncIterable<AttachRequest>, { signal }: ApiContext): AsyncGenerator<AttachResponse, void, undefined> {
    const messages = requests[Symbol.asyncIterator]();
    const opened = await openAttach(this.#streams, await firstMessage(messages, STREAM_OPENERS, signal), signal);
    using stream = opened.stream;
    const pump = new ProcessPump(stream, { ...this.#parts, takesStdin: opened.takesStdin });
    for await (const message of pump.run(laterMessages(messages, STREAM_OPENERS), signal)) yield { message };
  }

  async resizeContainerTty(request: ResizeContainerTtyRequest): Promise<ResizeContainerTtyResponse> {
    const { ref, execId, size } = parseResizeTty(request);
    await this.#containers.resizeTty(ref, execId, size);
    return {};
  }

  async pauseContainer(request: PauseContainerRequest, { signal }: ApiContext): Promise<PauseContainerResponse> {
    const { ref, requestId } = parseContainerCall(request);
    return { container: containerToWire(await this.#containers.pause(ref, { requestId, signal })) };
  }

  async resumeContainer(request: ResumeContainerRequest, { signal, attempt }: ApiContext): Promise<ResumeContainerResponse> {
    const { ref, requestId } = parseContainerCall(request);
    return { container: containerToWire(await this.#containers.resume(ref, { requestId, signal, attempt })) };
  }

  async getContainerStats(request: GetContainerStatsRequest, { signal }: ApiContext): Promise<GetContainerStatsResponse> {
    return containerStatsToWire(await this.#containers.stats(parseContainerRef(request), { signal }));
  }

  async *getContainerLogs(request: GetContainerLogsRequest, { signal }: ApiContext): AsyncGenerator<GetContainerLogsResponse, void, undefined> {
    const { ref, how } = parseLogs(request);
    for await (const event of this.#containers.logs(ref, how, { signal })) yield logEventToWire(event);
  }
}
