import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { SocketStream } from '../../src/host/socket-stream.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { UnixDialer } from '../../src/host/unix-dialer.ts';
import { realConnector, realTokens } from '../contract/agent/connector-under-test.ts';
import { FakeGuest } from '../fakes/agent/fake-guest.ts';
import { FakeKata } from '../fakes/agent/fake-kata.ts';
import { collect, containerSpec, textOf } from '../fakes/agent/specs.ts';

const START = { stdout: 0n, stderr: 0n };

let directory: string;
let server: Server;
let sockets: Socket[];
const path = (): string => join(directory, 'agent.sock');
const tokenFile = (): string => join(directory, 'tokens');
const connector = realConnector(new UnixDialer(new SystemClock()));

beforeEach(async () => {
  directory = await mkdtemp('/tmp/vv-agent-');
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

async function listen(onSocket: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => { socket.destroy(); });
    onSocket(socket);
  });
  await once(server.listen(path()), 'listening');
}

describe('virtio-serial over a real socket', () => {
  it('connects as soon as a guest that boots late answers, and keeps its tokens to itself', async () => {
    const guest = new FakeGuest();
    let hear = (): void => {};
    await listen((socket) => { hear = () => { guest.attach(new SocketStream(socket)); }; });
    const connected = connector.connect({ kind: 'viv-agent', transport: 'virtio-serial', socketPath: path(), tokenFile: tokenFile() }, { deadlineMs: 5000 });
    await new SystemClock().sleep(250);
    const heardMs = performance.now();
    hear();
    const agent = await connected;
    expect(performance.now() - heardMs).toBeLessThan(100);
    await agent.createContainer({ containerId: 'c1', spec: containerSpec(['echo', 'hello']), storages: [], devices: [], sharedPidNamespace: false });
    await agent.startContainer('c1');
    expect(textOf(await collect(agent.output({ containerId: 'c1', execId: undefined }, START)), 'stdout')).toBe('hello\n');
    expect((await stat(tokenFile())).mode & 0o777).toBe(0o600);
    expect(await realTokens().load(tokenFile())).toHaveLength(1);
    agent.close();
  });
});

describe('hybrid vsock over a real socket', () => {
  it('connects to an official agent behind CONNECT', async () => {
    const guest = new FakeKata();
    await listen((socket) => { guest.attach(new SocketStream(socket)); });
    const agent = await connector.connect({ kind: 'kata', transport: 'hybrid-vsock', socketPath: path(), tokenFile: '' }, { deadlineMs: 5000 });
    expect((await agent.info()).agentVersion).toBe('4.1.0');
    agent.close();
  });

  it('tries again while the VMM closes the connection, and gives up in time', async () => {
    let connections = 0;
    await listen((socket) => {
      connections += 1;
      socket.destroy();
    });
    const failed = connector.connect({ kind: 'kata', transport: 'hybrid-vsock', socketPath: path(), tokenFile: '' }, { deadlineMs: 300 });
    await expect(failed).rejects.toMatchObject({ reason: 'BOOT_TIMEOUT' });
    expect(connections).toBeGreaterThan(2);
  });

  it('gives up in time on an answer that never ends', async () => {
    await listen((socket) => { socket.write('x'.repeat(1000)); });
    const failed = connector.connect({ kind: 'kata', transport: 'hybrid-vsock', socketPath: path(), tokenFile: '' }, { deadlineMs: 200 });
    await expect(failed).rejects.toMatchObject({ reason: 'BOOT_TIMEOUT' });
  });
});
