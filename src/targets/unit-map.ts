import type { LogicalUnit, UnitMap } from '../../lun/logical-unit.ts';

/** The units of one target. It is replaced as a whole after each change of the target's document. */
export class TargetUnits implements UnitMap {
  #units: ReadonlyMap<number, LogicalUnit> = new Map();
  #numbers: readonly number[] = [];
  readonly #listeners = new Set<() => void>();

  get(lun: number): LogicalUnit | undefined {
    return this.#units.get(lun);
  }

  numbers(): readonly number[] {
    return this.#numbers;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Shows these units from now on; tells the listeners when that differs from before. */
  replace(units: ReadonlyMap<number, LogicalUnit>): void {
    const before = this.#units;
    this.#units = units;
    this.#numbers = [...units.keys()].sort((a, b) => a - b);
    const same = before.size === units.size && this.#numbers.every((n) => before.get(n) === units.get(n));
    if (same) return;
    for (const listener of this.#listeners) listener();
  }
}
