import type { MemoryStream } from './memory-stream.ts';

const GREETING = '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}\n';

/** Plays the VMM's side of QMP on a memory stream: greets, and answers each command by `answers`, else with an empty object. */
export function playQmp(stream: MemoryStream, answers: Readonly<Record<string, object | undefined>> = {}): { commands: string[]; event: (name: string, data?: object) => void } {
  const commands: string[] = [];
  stream.onWrite((text) => {
    for (const line of text.trim().split('\n')) {
      const request = JSON.parse(line) as { execute: string; id: string };
      commands.push(request.execute);
      if (request.execute in answers && answers[request.execute] === undefined) continue;
      const status = request.execute === 'query-status' ? { status: 'running', running: true } : {};
      stream.feed(`${JSON.stringify({ return: answers[request.execute] ?? status, id: request.id })}\n`);
    }
  });
  stream.feed(GREETING);
  return { commands, event: (name, data = {}) => { stream.feed(`${JSON.stringify({ event: name, data })}\n`); } };
}
