import type { Condition, Mode, Phase } from '../../core/model/outcome.ts';
import type { Duration } from '../../gen/google/protobuf/duration.ts';
import type { Condition as ConditionMessage, Mode as ModeMessage, Phase as PhaseMessage } from '../../gen/vivarium/v1/common.ts';

/** Milliseconds since the epoch → google.protobuf.Timestamp. */
export function timestamp(ms: number): Date;
export function timestamp(ms: number | undefined): Date | undefined;
export function timestamp(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

/** Milliseconds, to the nanosecond, never negative: a phase that seems to end before it began took no time. */
export function duration(ms: number): Duration {
  return durationFromNs(BigInt(Math.max(0, Math.round(ms * 1e6))));
}

export function durationFromNs(ns: bigint): Duration {
  return { seconds: ns / 1_000_000_000n, nanos: Number(ns % 1_000_000_000n) };
}

/** A size that the model keeps as a number, as the wire's uint64. */
export function bytes(value: number): bigint {
  return BigInt(Math.max(0, Math.round(value)));
}

export function phasesToWire(phases: readonly Phase[]): PhaseMessage[] {
  return phases.map((phase) => ({ name: phase.name, offset: duration(phase.offsetMs), duration: duration(phase.durationMs) }));
}

export function modeToWire(mode: Mode | undefined): ModeMessage | undefined {
  return mode === undefined ? undefined : { ...mode };
}

export function conditionToWire(condition: Condition): ConditionMessage {
  return { name: condition.name, message: condition.message, since: timestamp(condition.sinceMs) };
}
