/**
 * The door every operation of a faulty medium goes through: it counts, decides whether the operation
 * fails or meets the power cut, and completes it at once or whenever the scheduler says.
 */
import { StoreError } from '../../lun/errors.ts';
import { chance, type Fault, type FaultPlan, type Operation, READING } from './fault-plan.ts';

/** One operation, begun. Exactly one of the two is called, unless the power goes first. */
export interface Step<T> {
  /** It is done; the effect shows from now on. */
  readonly complete: () => T;
  /** It failed; `how` says what may have happened to the bytes. */
  readonly fail?: (how: Fault['how']) => void;
}

type Settle = () => void;

export class FaultGate {
  readonly plan: FaultPlan;
  readonly counts = new Map<Operation, number>();
  /** Operations so far that change something. */
  changes = 0;
  readonly #faults: Fault[];
  #endedBy: string | undefined;

  constructor(plan: FaultPlan) {
    this.plan = plan;
    this.#faults = [...(plan.faults ?? [])];
  }

  get ended(): boolean {
    return this.#endedBy !== undefined;
  }

  /** From now on every call fails, those in flight included. */
  end(why: string): void {
    this.#endedBy ??= why;
  }

  inject(fault: Fault): void {
    this.#faults.push(fault);
  }

  check(): void {
    if (this.#endedBy !== undefined) throw new StoreError('CLOSED', this.#endedBy);
  }

  /** Runs an operation that may complete at once. `queue` keeps completions in the order of the calls. */
  run<T>(operation: Operation, begin: () => Step<T>, queue?: Settle[]): T | Promise<T> {
    const settle = this.#begin(operation, begin);
    const { defer, random, atOnceChance = 0 } = this.plan;
    if (defer === undefined) return settle();
    if ((queue === undefined || queue.length === 0) && chance(random, atOnceChance)) return settle();
    return this.#later(settle, defer, queue);
  }

  /** The same for an operation that is always a promise; a scheduler always orders it. */
  async runLater<T>(operation: Operation, begin: () => Step<T>): Promise<T> {
    const settle = this.#begin(operation, begin);
    return this.plan.defer === undefined ? settle() : this.#later(settle, this.plan.defer);
  }

  #begin<T>(operation: Operation, begin: () => Step<T>): () => T {
    this.check();
    const index = this.counts.get(operation) ?? 0;
    this.counts.set(operation, index + 1);
    const fault = this.#faults.find(
      ({ on, at, always }) => on === operation && (at === index || (always === true && index > at)),
    );
    const step = begin();
    if (!READING.has(operation)) {
      this.changes += 1;
      if (this.changes - 1 === this.plan.cutAt) this.end('The power was cut.');
    }
    return () => {
      this.check();
      if (fault === undefined) return step.complete();
      this.plan.onFault?.(fault);
      step.fail?.(fault.how);
      const code = fault.how === 'no-space' ? 'NO_SPACE' : 'IO';
      throw new StoreError(code, `An injected fault failed ${operation} ${index}.`);
    };
  }

  #later<T>(settle: () => T, defer: NonNullable<FaultPlan['defer']>, queue: Settle[] = []): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      queue.push(() => {
        try {
          resolve(settle());
        } catch (error) {
          reject(error);
        }
      });
      defer(() => queue.shift()?.());
    });
  }
}
