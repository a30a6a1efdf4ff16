import { shortId } from '../../core/model/ids.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import type { VfioBinder } from './binder.ts';
import type { BindingMarks } from './binding-marks.ts';

/** PCI functions that were taken from the host's drivers. Mark: the file that was written before each was touched. */
export class VfioLedger implements LedgerKind {
  readonly kind = 'vfio';
  readonly #marks: BindingMarks;
  readonly #binder: VfioBinder;

  constructor(marks: BindingMarks, binder: VfioBinder) {
    this.#marks = marks;
    this.#binder = binder;
  }

  async find(): Promise<readonly FoundResource[]> {
    const marks = await this.#marks.all();
    return marks.map(({ address, sandboxId, deviceId, driver }): FoundResource => ({ kind: 'vfio', name: address, owner: shortId(sandboxId), containerId: undefined, attributes: { device: deviceId, driver } }));
  }

  /** Its driver of before has it again. */
  async remove({ name, owner }: FoundResource): Promise<void> {
    const mark = await this.#marks.read(name);
    if (mark !== undefined && shortId(mark.sandboxId) === owner) await this.#binder.giveBack(name, mark);
  }
}
