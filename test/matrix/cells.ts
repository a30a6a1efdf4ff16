import { PLANS, type PlanName, type PlanRecord } from '../../src/core/machine/plans.ts';

/** What goes wrong at a point. */
export type Fault = 'killed' | 'fails' | 'hangs' | 'caller-leaves';
/** What the VM is like at that moment. */
export type Guest = 'healthy' | 'stopped' | 'dead';
export type Position = 'before' | 'after' | 'between';

const FAULTS: readonly Fault[] = ['killed', 'fails', 'hangs', 'caller-leaves'];
const GUESTS: readonly Guest[] = ['healthy', 'stopped', 'dead'];

/** One case of the fault matrix: a step of a plan (or a record of it), what happens there, and to what kind of VM. */
export interface Cell {
  readonly plan: PlanName;
  /** The step, or the record. */
  readonly at: string;
  readonly position: Position;
  readonly fault: Fault;
  readonly guest: Guest;
  /** As src/core/ports/failpoints.ts names it. */
  readonly point: string;
}

/** Why a cell can't exist; each is counted and printed. */
export interface PruneRule {
  readonly why: string;
  readonly prunes: (cell: Cell) => boolean;
}

/** The VM is not there yet before this point of a boot. */
function beforeVm({ plan, at, position }: Cell): boolean {
  if (plan !== 'create' && plan !== 'boot') return false;
  return at === 'directories' || at === 'cgroup' || at === 'share' || at === 'sandbox:intent' || at === 'sandbox:boot-requested' || (at === 'vmm' && position === 'before');
}

/** The VM was ended before this point. */
function afterVm({ plan, at, position }: Cell): boolean {
  if (plan === 'clean') return true;
  if (plan !== 'stop' && plan !== 'delete') return false;
  return ['devices', 'share', 'cgroup', 'directories', 'trash', 'sandbox:cleaned', 'sandbox:deleted'].includes(at) || (at === 'vmm' && position === 'after');
}

/** Records of a plan that its request here does not commit: another request of the same plan does, and has tests of its own. */
const OF_ANOTHER_CAUSE: ReadonlySet<PlanRecord> = new Set<PlanRecord>([
  'sandbox:share-ended',
  'sandbox:found-ended',
  'sandbox:resumed-ready',
  'sandbox:delete-requested',
  'sandbox:found-ready',
  'sandbox:found-paused',
  'container:delete-requested',
]);

export const PRUNE_RULES: readonly PruneRule[] = [
  { why: 'no VM has a part in it', prunes: (cell) => cell.guest !== 'healthy' && (cell.plan === 'image-pull' || cell.plan === 'image-import') },
  { why: 'there is no VM yet', prunes: (cell) => cell.guest !== 'healthy' && beforeVm(cell) },
  { why: 'its VM is gone already', prunes: (cell) => cell.guest !== 'healthy' && afterVm(cell) },
  { why: 'a record that is on disk neither fails nor hangs (a full disk has tests of its own)', prunes: (cell) => cell.position === 'between' && (cell.fault === 'fails' || cell.fault === 'hangs') },
  { why: 'a record that another request of this plan commits', prunes: (cell) => cell.position === 'between' && OF_ANOTHER_CAUSE.has(cell.at as PlanRecord) },
  { why: 'nobody called: the daemon does it by itself', prunes: (cell) => cell.fault === 'caller-leaves' && (cell.plan === 'clean' || cell.plan === 'recover') },
  { why: 'whether its caller leaves makes no difference between a record and its effects', prunes: (cell) => cell.fault === 'caller-leaves' && cell.position === 'between' },
];

/** Every cell there could be, in a fixed order. */
export function allCells(): readonly Cell[] {
  return Object.entries(PLANS).flatMap(([name, plan]) => {
    const steps = plan.steps.flatMap((at: string) => (['before', 'after'] as const).map((position) => ({ at, position, point: `${name}/${at}/${position}` })));
    const records = plan.records.map((at: string) => ({ at, position: 'between' as const, point: `record/${at}` }));
    return [...steps, ...records].flatMap((place) => FAULTS.flatMap((fault) => GUESTS.map((guest): Cell => ({ plan: name as PlanName, ...place, fault, guest }))));
  });
}

/** The cells that can exist, and how many each rule took away (the first rule that fits counts). */
export function generate(): { readonly cells: readonly Cell[]; readonly pruned: ReadonlyMap<string, number> } {
  const pruned = new Map<string, number>(PRUNE_RULES.map((rule) => [rule.why, 0]));
  const cells = allCells().filter((cell) => {
    const rule = PRUNE_RULES.find(({ prunes }) => prunes(cell));
    if (rule !== undefined) pruned.set(rule.why, (pruned.get(rule.why) ?? 0) + 1);
    return rule === undefined;
  });
  return { cells, pruned };
}

export function cellName(cell: Cell): string {
  return `${cell.plan} ${cell.position} ${cell.at}: ${cell.fault}, VM ${cell.guest}`;
}
