import type { Mode, Phase } from '../../gen/vivarium/v1/common.ts';
import { durationMs } from '../args/duration.ts';
import { describeMs } from './quantity.ts';
import { renderTable } from './table.ts';

/** What one long call took, as the daemon tells it. */
export interface CallTiming {
  /** "create sandbox". */
  readonly call: string;
  /** Of the whole call, seen from here. */
  readonly tookMs: number;
  readonly phases: readonly Phase[];
}

interface TimingRow {
  readonly step: string;
  readonly start: string;
  readonly took: string;
}

/** A table of calls and their phases, and below it what was really used. */
export function renderTimings(timings: readonly CallTiming[], mode: Mode | undefined): string {
  const rows = timings.flatMap(({ call, tookMs, phases }): TimingRow[] => [
    { step: call, start: '', took: describeMs(tookMs) },
    ...phases.map((phase) => ({ step: `  ${phase.name}`, start: describeMs(durationMs(phase.offset)), took: describeMs(durationMs(phase.duration)) })),
  ]);
  const table = renderTable<TimingRow>(
    [
      { title: 'PHASE', text: (row) => row.step },
      { title: 'START', text: (row) => row.start, right: true },
      { title: 'TIME', text: (row) => row.took, right: true },
    ],
    rows,
  );
  return mode === undefined ? table : `${table}mode: ${describeMode(mode)}\n`;
}

/** "qemu 7.2.22, tcg (no /dev/kvm), q35, virtio-serial, viv-agent 0.1.0, virtiofs, guest default" */
export function describeMode(mode: Mode): string {
  const accelerator = mode.acceleratorReason === '' ? mode.accelerator : `${mode.accelerator} (${mode.acceleratorReason})`;
  const parts = [
    `${mode.hypervisor} ${mode.hypervisorVersion}`, accelerator, mode.machine, mode.transport, `${mode.agent} ${mode.agentVersion}`,
    mode.rootfs, mode.guest === '' ? '' : `guest ${mode.guest}`, mode.profile === '' ? '' : `profile ${mode.profile}`,
  ];
  return parts.map((part) => part.trim()).filter((part) => part !== '').join(', ');
}
