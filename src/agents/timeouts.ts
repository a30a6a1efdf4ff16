/** No deadline: the call ends when the guest answers, the link is lost or the caller aborts. */
export const UNBOUNDED = 0;

/**
 * Method → milliseconds until AGENT_UNREACHABLE. The one table for calls to a guest.
 *
 * Unbounded are the calls that wait for something that a process does. CreateContainer mounts and unpacks; StartContainer of an official agent
 * may block for ever, and only this deadline tells.
 */
export const TIMEOUTS_MS = {
  Check: 10_000,
  Version: 10_000,
  CreateSandbox: 60_000,
  DestroySandbox: 10_000,
  CreateContainer: 60_000,
  StartContainer: 30_000,
  RemoveContainer: 60_000,
  ExecProcess: 60_000,
  SignalProcess: 30_000,
  PauseContainer: 30_000,
  ResumeContainer: 30_000,
  UpdateContainer: 30_000,
  StatsContainer: 30_000,
  TtyWinResize: 30_000,
  CloseStdin: 30_000,
  GetMetrics: 30_000,
  GetGuestDetails: 30_000,
  SetGuestDateTime: 10_000,
  ReseedRandomDev: 10_000,
  Info: 10_000,
  ListProcesses: 30_000,
  Ack: 30_000,
  // Above the guest's own limit for these (viv/devices.ts); the second writes out what the guest has cached.
  AwaitDevice: 15_000,
  AwaitFunction: 15_000,
  ReleaseDevice: 60_000,
  AwaitGone: 15_000,
  WaitProcess: UNBOUNDED,
  WriteStdin: UNBOUNDED,
  ReadStdout: UNBOUNDED,
  ReadStderr: UNBOUNDED,
  GetOOMEvent: UNBOUNDED,
  Output: UNBOUNDED,
  Events: UNBOUNDED,
} as const satisfies Readonly<Record<string, number>>;

export type MethodName = keyof typeof TIMEOUTS_MS;
