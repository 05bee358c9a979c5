/**
 * The machine that a simulated pool runs on: the store, the process that has it open, and how both come to an
 * end. A dead process may still have promises that settle; `life` tells its doings from those of the next
 * one.
 */
import { xxh64 } from '@node-rs/xxhash';
import type { CheckedRecord } from '../../snapshot/check-journal.ts';
import type { Fault } from '../../snapshot/medium/fault-plan.ts';
import { type FaultyMedium, openFaultyMedium } from '../../snapshot/medium/faulty.ts';
import { FaultyStore } from '../../snapshot/medium/faulty-store.ts';
import { Pool } from '../../snapshot/pool.ts';
import type { PoolEnvironment, PoolFact } from '../../snapshot/pool-types.ts';
import { type Random, seededRandom } from '../support/random.ts';
import { Disagreement } from './disagreement.ts';
import { TappedMedium } from './journal-tap.ts';
import { Scheduler } from './scheduler.ts';
import type { Operation, Script, World } from './script.ts';

export type End = 'kill' | 'power-cut';

/** What is told of the process that runs now, and never of a dead one. */
export interface Listener {
  onRecord(record: CheckedRecord): void;
  onFact(fact: PoolFact): void;
  onFailure(error: unknown): void;
  /** A call of the medium was made to fail. */
  onFault(fault: Fault): void;
}

export function checksum(bytes: Uint8Array): number {
  return Number(xxh64(bytes) & 0xffffffffn);
}

export class Machine {
  readonly scheduler: Scheduler;
  readonly #world: World;
  readonly #random: Random;
  #mediumRandom: Random;
  readonly #listener: Listener;
  #store: FaultyStore;
  #medium: FaultyMedium | undefined;
  /** The pool that serves, once its opening is done. */
  pool: Pool | undefined;
  life = 0;
  /** Faults injected since the last opening, and those of them that hit flushes. */
  faults = 0;
  flushFaults = 0;

  constructor({ seed, world }: Script, listener: Listener) {
    this.#world = world;
    this.#listener = listener;
    this.#random = seededRandom(seed ^ 0x1b873593);
    this.#mediumRandom = seededRandom(seed ^ 0x2545f491);
    this.scheduler = new Scheduler(seededRandom(seed ^ 0x6c078965), world.patient);
    const { capacityBlocks, journalSegmentBytes } = world;
    this.#store = new FaultyStore({ capacityBlocks, journalSegmentBytes });
  }

  get servingPool(): Pool {
    if (this.pool === undefined) throw new Disagreement('the pool is not open');
    return this.pool;
  }

  /** The medium was closed, and nobody has the store open. */
  get closed(): boolean {
    return this.#medium?.ended === true && this.#store.holder === undefined;
  }

  inject({ on, skip, how }: Extract<Operation, { do: 'fault' }>): void {
    if (this.#medium === undefined || (how === 'no-space' && on !== 'write')) return;
    this.faults += 1;
    if (on === 'data-flush' || on === 'journal-flush') this.flushFaults += 1;
    this.#medium.inject({ on, at: this.#medium.count(on) + skip, how });
  }

  /** Something done by the process that runs now; nothing once that is dead. */
  whileAlive(): (act: () => void) => void {
    const { life } = this;
    return (act) => {
      if (life !== this.life) return;
      try {
        act();
      } catch (error) {
        this.#listener.onFailure(error);
      }
    };
  }

  /** The process is no more, whatever it had in hand. */
  die(): void {
    this.life += 1;
    this.scheduler.forget();
    this.pool = undefined;
  }

  /** From now on the medium is as kind or unkind as this number says, whatever came before. */
  chooseOutcome(outcome: number): void {
    this.#mediumRandom = seededRandom(outcome);
  }

  /** What the end of the process or of the power leaves of the store. */
  end(how: End): void {
    if (how === 'kill') this.#store.kill(this.#mediumRandom);
    else this.#store = this.#store.afterPowerLoss(this.#mediumRandom);
  }

  /** The medium for someone who only looks: everything completes at once. */
  openToLook(): FaultyMedium {
    return openFaultyMedium(this.#store, { random: this.#mediumRandom });
  }

  /** Begins an opening; `pool` is there when it is done. */
  beginOpening(create: boolean): void {
    this.faults = 0;
    this.flushFaults = 0;
    const alive = this.whileAlive();
    const { atOnceChance, spaceBlocks } = this.#world;
    this.#medium = openFaultyMedium(this.#store, {
      random: this.#mediumRandom,
      defer: (complete) => this.scheduler.complete(complete),
      atOnceChance,
      onFault: (fault) => this.#listener.onFault(fault),
      ...(spaceBlocks !== undefined && { spaceBlocks }),
    });
    const onRecord = (record: CheckedRecord): void => alive(() => this.#listener.onRecord(record));
    const medium = new TappedMedium(this.#medium, { checksum, onRecord });
    const environment = this.#environment(alive);
    const opened = create
      ? Pool.create(medium, environment, this.#world.options)
      : Pool.open(medium, environment, this.#world.options);
    opened.then(
      (pool) =>
        alive(() => {
          this.pool = pool;
        }),
      (cause: unknown) =>
        alive(() => {
          throw new Disagreement('the pool does not open', { cause });
        }),
    );
  }

  #environment(alive: (act: () => void) => void): PoolEnvironment {
    return {
      nowMs: () => this.scheduler.nowMs(),
      defer: (run) => this.scheduler.defer(run),
      after: (ms, run) => this.scheduler.after(ms, run),
      checksum,
      randomBytes: (count) => this.#random.bytes(count),
      onFact: (fact) => alive(() => this.#listener.onFact(fact)),
    };
  }
}
