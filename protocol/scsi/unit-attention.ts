/**
 * Unit attention conditions (SAM-5 §5.14): one queue per nexus and logical unit. A nexus counts what
 * is pending in all its queues, so that a command pays one comparison while nothing is.
 *
 * A reset condition stands for everything that happened before it, so it empties the queue and is
 * reported first, of several the most thorough (SAM-5 Table 48); the others are reported in the order
 * they came, each code once. A queue that would grow past its limit becomes one reset condition: the
 * initiator must look at everything anew.
 */
import { UNIT_ATTENTIONS_MAX } from './limits.ts';
import { Sense, type SenseCode } from './sense.ts';

/** The additional sense code that all reset conditions share. */
const RESET_ASC = Sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED.asc;

function sameCode(a: SenseCode, b: SenseCode): boolean {
  return a.asc === b.asc && a.ascq === b.ascq;
}

/** Of a reset and what waits first, if that is one: the higher in precedence, whose ASCQ is the lower one. */
function moreThorough(waiting: SenseCode | undefined, reset: SenseCode): SenseCode {
  return waiting?.asc === RESET_ASC && waiting.ascq < reset.ascq ? waiting : reset;
}

/** The conditions of one nexus, by logical unit. The key is whatever object stands for the unit. */
export class UnitAttentions {
  readonly #queues = new Map<object, SenseCode[]>();
  #pending = 0;

  /** Conditions waiting at all units together. */
  get pending(): number {
    return this.#pending;
  }

  /** Establishes a condition; one that is waiting already, or that a waiting reset covers, adds nothing. */
  raise(unit: object, code: SenseCode): void {
    const queue = this.#queues.get(unit) ?? [];
    if (code.asc === RESET_ASC) {
      this.#replace(unit, queue, [moreThorough(queue[0], code)]);
      return;
    }
    if (queue.some((waiting) => sameCode(waiting, code))) return;
    if (queue.length >= UNIT_ATTENTIONS_MAX) {
      this.#replace(unit, queue, [Sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED]);
    } else {
      this.#replace(unit, queue, [...queue, code]);
    }
  }

  /** The condition to report next, which stays. */
  peek(unit: object): SenseCode | undefined {
    return this.#queues.get(unit)?.[0];
  }

  /**
   * The condition to report next, which is cleared with that. A changed inventory concerns the whole
   * target: reported once, it is cleared at every unit (LUICLR, SPC-4 §7.8.7).
   */
  take(unit: object): SenseCode | undefined {
    const queue = this.#queues.get(unit);
    const first = queue?.[0];
    if (queue === undefined || first === undefined) return undefined;
    this.#replace(unit, queue, queue.slice(1));
    if (sameCode(first, Sense.REPORTED_LUNS_DATA_HAS_CHANGED)) this.clearEverywhere(first);
    return first;
  }

  /** Clears one code at every unit, as REPORT LUNS does for a changed inventory (SPC-4 §6.33). */
  clearEverywhere(code: SenseCode): void {
    for (const [unit, queue] of this.#queues) {
      const rest = queue.filter((waiting) => !sameCode(waiting, code));
      if (rest.length !== queue.length) this.#replace(unit, queue, rest);
    }
  }

  /** Forgets a unit that is no longer mapped. */
  forget(unit: object): void {
    this.#replace(unit, this.#queues.get(unit) ?? [], []);
  }

  #replace(unit: object, old: readonly SenseCode[], queue: SenseCode[]): void {
    this.#pending += queue.length - old.length;
    if (queue.length === 0) this.#queues.delete(unit);
    else this.#queues.set(unit, queue);
  }
}
