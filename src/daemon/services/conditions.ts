import type { SandboxRecord } from '../../core/model/record.ts';

/** The record with that condition, the same one when it says so already; a condition that changes its words keeps the time when it began. */
export function withCondition(record: SandboxRecord, name: string, message: string, atMs: number): SandboxRecord {
  const now = record.conditions.find((condition) => condition.name === name);
  if (now?.message === message) return record;
  const sinceMs = now?.sinceMs ?? atMs;
  return { ...record, conditions: [...record.conditions.filter((condition) => condition.name !== name), { name, message, sinceMs }] };
}

/** The same record when it does not have that condition. */
export function withoutCondition(record: SandboxRecord, ...names: readonly string[]): SandboxRecord {
  const conditions = record.conditions.filter(({ name }) => !names.includes(name));
  return conditions.length === record.conditions.length ? record : { ...record, conditions };
}
