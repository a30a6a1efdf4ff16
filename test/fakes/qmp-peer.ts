import type { MemoryStream } from './memory-stream.ts';

const GREETING = '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}\n';

export interface QmpPeer {
  readonly commands: string[];
  /** Takes commands and answers none. */
  mute: boolean;
  readonly event: (name: string, data?: object) => void;
}

/** Plays the VMM's side of QMP on a memory stream: greets, and answers each command by `answers`, else with an empty object. */
export function playQmp(stream: MemoryStream, answers: Readonly<Record<string, object | undefined>> = {}): QmpPeer {
  const peer: QmpPeer = { commands: [], mute: false, event: (name, data = {}) => { stream.feed(`${JSON.stringify({ event: name, data })}\n`); } };
  stream.onWrite((text) => {
    for (const line of text.trim().split('\n')) {
      const request = JSON.parse(line) as { execute: string; id: string };
      peer.commands.push(request.execute);
      if (peer.mute) continue;
      if (request.execute in answers && answers[request.execute] === undefined) continue;
      const status = request.execute === 'query-status' ? { status: 'running', running: true } : {};
      stream.feed(`${JSON.stringify({ return: answers[request.execute] ?? status, id: request.id })}\n`);
    }
  });
  stream.feed(GREETING);
  return peer;
}
