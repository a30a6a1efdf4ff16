import { reasonOf } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Conversation, StartConversation } from '../../core/ports/conversations.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { ImageProgress, ImageTool, Platform, PullCall, UnpackOutcome } from '../../core/ports/images.ts';
import { JsonDocumentError } from '../json-document.ts';
import { SilenceLimit } from './silence-limit.ts';
import { toolError } from './tool-failure.ts';
import { parseToolLine } from './tool-lines.ts';
import type { ToolLine } from './tool-lines.ts';

/** What one image may need at most, and how patient the tool is. */
export interface ImageLimits {
  readonly layerBytes: number;
  readonly imageBytes: number;
  readonly files: number;
  readonly layers: number;
  readonly stallMs: number;
  readonly retries: number;
  readonly atOnce: number;
}

export interface Mirror {
  readonly url: string;
  readonly insecure: boolean;
}

export interface ImageToolParts {
  readonly start: StartConversation;
  readonly clock: Pick<Clock, 'timer'>;
  readonly program: string;
  /** The store that it works in. */
  readonly store: string;
  readonly mirrors: readonly Mirror[];
  /** As docker's config.json; empty: none. */
  readonly authFile: string;
  readonly limits: ImageLimits;
}

/** Starts the image tool for one request each (docs/protocols/image-tool.md). */
export class ImageToolClient implements ImageTool {
  readonly #parts: ImageToolParts;

  constructor(parts: ImageToolParts) {
    this.#parts = parts;
  }

  async pull({ reference, platform, insecure, auth }: PullCall, report: (progress: ImageProgress) => void, options: WaitOptions = {}): Promise<UnpackOutcome> {
    const { mirrors, authFile } = this.#parts;
    const request = {
      cmd: 'pull', reference, platform: platformOf(platform), mirrors, insecure: insecure || isLoopback(reference),
      ...(auth === undefined ? {} : { auth: { username: auth.username, password: auth.password, identity_token: auth.identityToken } }),
      ...(authFile === '' ? {} : { auth_file: authFile }),
    };
    return await this.#run(request, { what: `pull ${reference}`, field: 'reference', report, ...options });
  }

  async import({ path, platform }: { readonly path: string; readonly platform: Platform }, report: (progress: ImageProgress) => void, options: WaitOptions = {}): Promise<UnpackOutcome> {
    return await this.#run({ cmd: 'import', path, platform: platformOf(platform) }, { what: `import ${path}`, field: 'path', report, ...options });
  }

  async #run(request: object, call: ToolCall): Promise<UnpackOutcome> {
    const { start, program, store } = this.#parts;
    using limit = new SilenceLimit(this.#parts.clock, call);
    const input = `${JSON.stringify({ version: 1, store, ...request, limits: limitsOf(this.#parts.limits) })}\n`;
    const tool = start(program, [], { input, signal: limit.signal });
    const last = await this.#listen(tool, call, limit);
    tool.end();
    const { code, stderrTail } = await tool.exit;
    if (limit.signal.aborted) throw reasonOf(limit.signal);
    if (last?.kind === 'error') throw toolError(call.what, call.field, last.failure);
    if (last?.kind === 'result') return last.outcome;
    throw new DomainError('HOST_RESOURCE', `${call.what}: ${program} ended with code ${code} and no result${stderrTail === '' ? '' : `: ${stderrTail.slice(-400)}`}`, {
      remedy: code === -1 ? 'build viv-image, or correct image_tool' : "look at the daemon's log", facts: { exit_code: String(code) },
    });
  }

  /** Its last word: a result or an error. Undefined when it ended without. */
  async #listen(tool: Conversation, call: ToolCall, limit: SilenceLimit): Promise<ToolLine | undefined> {
    let last: ToolLine | undefined;
    for await (const text of tool.lines) {
      limit.heard();
      const line = readLine(text, limit);
      if (line?.kind === 'progress' && !limit.signal.aborted) call.report(line.progress);
      else if (line !== undefined && line.kind !== 'progress') last = line;
    }
    return last;
  }
}

interface ToolCall extends WaitOptions {
  /** For messages. */
  readonly what: string;
  /** Of the request: what a bad one is told about. */
  readonly field: 'reference' | 'path';
  readonly report: (progress: ImageProgress) => void;
}

/** What is spoken on loopback nobody else can hear. */
function isLoopback(reference: string): boolean {
  const host = reference.slice(0, reference.indexOf('/')).replace(/:\d+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function platformOf({ os, architecture, variant }: Platform): object {
  return { os, architecture, ...(variant === '' ? {} : { variant }) };
}

function limitsOf({ layerBytes, imageBytes, files, layers, stallMs, retries, atOnce }: ImageLimits): object {
  return { layer_bytes: layerBytes, image_bytes: imageBytes, files, layers, stall_seconds: Math.ceil(stallMs / 1000), retries, at_once: atOnce };
}

/** A word of the tool that can't be understood ends it: what follows could not be trusted either. */
function readLine(text: string, limit: SilenceLimit): ToolLine | undefined {
  try {
    return parseToolLine(text);
  } catch (error) {
    if (!(error instanceof JsonDocumentError)) throw error;
    limit.abort(new DomainError('IMAGE_INVALID', `the image tool's answer can't be used: ${error.message}`, { cause: error, remedy: 'the image says what none may say; build it again' }));
    return undefined;
  }
}
