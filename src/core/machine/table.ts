/** What a pair of state and event leads to. `ignore`: it is old news. `refuse`: the caller is told that the state does not allow it. */
export type Rule<State extends string, Effect extends string> = { readonly to: State; readonly effects: readonly Effect[] } | 'ignore' | 'refuse';

/** Every pair decided: a missing one does not compile. */
export type Table<State extends string, Event extends string, Effect extends string> = Readonly<Record<State, Readonly<Record<Event, Rule<State, Effect>>>>>;

export type Step<State extends string, Effect extends string> =
  | { readonly kind: 'moved'; readonly to: State; readonly effects: readonly Effect[] }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'refused' };

/** Pure: looks one pair up. */
export function step<State extends string, Event extends string, Effect extends string>(table: Table<State, Event, Effect>, state: State, event: Event): Step<State, Effect> {
  const rule = table[state][event];
  if (rule === 'ignore') return { kind: 'ignored' };
  if (rule === 'refuse') return { kind: 'refused' };
  return { kind: 'moved', to: rule.to, effects: rule.effects };
}

/** A rule that moves on. */
export function to<State extends string, Effect extends string>(state: State, ...effects: readonly Effect[]): { readonly to: State; readonly effects: readonly Effect[] } {
  return { to: state, effects };
}
