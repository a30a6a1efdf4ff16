import { describe, expect, it } from 'vitest';
import { agentVersion } from '../../../guest/builder/agent-version.ts';
import { BuildError } from '../../../guest/builder/build-error.ts';
import type { CommandRunner } from '../../../guest/builder/command-runner.ts';

const OURS = Buffer.from('\0usage: viv-agent --version | --serve\0');
const never = new AbortController().signal;
const answering = (stdout: string): CommandRunner => ({ run: async () => ({ code: 0, stdout: Buffer.from(stdout), stderr: '' }) });
const failing: CommandRunner = { run: async () => Promise.reject(new BuildError('command_failed', 'ended with 1')) };

describe('agentVersion', () => {
  it('asks an agent that knows the option', async () => {
    expect(await agentVersion('/agent', OURS, answering('viv-agent 0.12.3\n'), never)).toBe('0.12.3');
  });

  it('never starts a binary that does not name it', async () => {
    expect(await agentVersion('/agent', Buffer.from('another'), answering('viv-agent 1.0.0\n'), never)).toBeNull();
  });

  it('does without an answer', async () => {
    expect(await agentVersion('/agent', OURS, failing, never)).toBeNull();
    expect(await agentVersion('/agent', OURS, answering('hello'), never)).toBeNull();
  });
});
