import { hostName, linkName, shortId, type InstanceId, type SandboxId } from '../../core/model/ids.ts';
import type { InstanceMarks } from '../../core/model/marks.ts';

/** Every directory of the daemon and of a sandbox, as functions of root, run directory and ids. */
export class Places {
  readonly root: string;
  readonly run: string;
  readonly instance: InstanceId;

  constructor(root: string, run: string, instance: InstanceId) {
    this.root = root;
    this.run = run;
    this.instance = instance;
  }

  /** Sockets, launcher directories, the share. Short: a Unix socket path has 107 bytes. */
  runDir(sandboxId: string): string {
    return `${this.run}/s/${shortId(sandboxId)}`;
  }

  /** Lasting state of a sandbox. */
  stateDir(sandboxId: string): string {
    return `${this.root}/sandboxes/${sandboxId}`;
  }

  containerDir(sandboxId: string, containerId: string): string {
    return `${this.stateDir(sandboxId)}/containers/${containerId}`;
  }

  logDir(sandboxId: string, containerId: string): string {
    return `${this.containerDir(sandboxId, containerId)}/log`;
  }

  tokenFile(sandboxId: string): string {
    return `${this.runDir(sandboxId)}/agent.token`;
  }

  agentSocket(sandboxId: string): string {
    return `${this.runDir(sandboxId)}/agent.sock`;
  }

  /** On the file system of the state directories, so that discarding is a rename. */
  get trashDir(): string {
    return `${this.root}/trash`;
  }

  /** By what the ledger finds what is this daemon's. */
  get marks(): InstanceMarks {
    return { instance: this.instance, runs: `${this.run}/s`, sandboxes: `${this.root}/sandboxes` };
  }

  vmName(sandboxId: string): string {
    return hostName(this.instance, sandboxId as SandboxId);
  }

  linkName(sandboxId: string): string {
    return linkName(this.instance, sandboxId as SandboxId);
  }
}
