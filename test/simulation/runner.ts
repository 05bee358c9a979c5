/**
 * One simulated run: a pool on the faulty medium under the scheduler, driven by a script, with the history
 * beside it. The run ends at the first thing that is not as it should be. After every crash the store is
 * checked, recovered and compared in full; so it is at the end.
 */
import { StoreError } from '../../lun/errors.ts';
import type { MaybePromise } from '../../lun/units.ts';
import { checkPool } from '../../snapshot/check.ts';
import { type CheckedRecord, describeRecord } from '../../snapshot/check-journal.ts';
import type { Fault } from '../../snapshot/medium/fault-plan.ts';
import type { Pool } from '../../snapshot/pool.ts';
import type { PoolFact } from '../../snapshot/pool-types.ts';
import { type Random, seededRandom } from '../support/random.ts';
import { compareCatalogue, everything } from './compare.ts';
import * as data from './data-commands.ts';
import { Disagreement } from './disagreement.ts';
import { explains } from './explain.ts';
import { History } from './history.ts';
import { issueCommand } from './issue-command.ts';
import { noteRecord } from './journal-watch.ts';
import { checksum, type End, type Listener, Machine } from './machine.ts';
import type { Operation, Script, World } from './script.ts';
import type { Stage, StructureCommand, Tracked } from './stage.ts';
import { issueStructure, movesEnd } from './structure-commands.ts';
import { count, type Tally } from './tally.ts';

/** More events than this without an end are a command that never comes back. */
const EVENTS_MAX = 200_000;
/** Counted as they come; anything else only when it made sense and was given to the pool. */
const CONTROLS: ReadonlySet<Operation['do']> = new Set([
  'run',
  'settle',
  'reopen',
  'kill',
  'power-cut',
  'crash-opening',
  'fault',
]);

/** Where a script is ended, counted in events while the pool served. */
export interface CrashPoint {
  readonly events: number;
  readonly how: End;
  /** Of the many things that such an end may leave, which one: any number. */
  readonly outcome: number;
  /** The opening that follows is ended as well. */
  readonly opening?: { readonly how: End; readonly events: number };
}

const END_REACHED = Symbol('the point at which the run is ended');

class Run implements Stage, Listener {
  readonly world: World;
  readonly random: Random;
  readonly history = new History(checksum);
  readonly #tally: Tally;
  readonly #say: (line: string) => void;
  readonly #machine: Machine;
  #stamp = 0;
  #failure: unknown;
  #nextOpenings: Array<{ readonly how: End; readonly events: number }> = [];
  #structures: StructureCommand[] = [];
  /** Events while the pool served, and after how many of them it is to be ended. */
  #servedEvents = 0;
  #endsAfter: number | undefined;

  constructor(script: Script, tally: Tally, say: (line: string) => void) {
    this.world = script.world;
    this.#tally = tally;
    this.#say = say;
    this.random = seededRandom(script.seed ^ 0x51ed2701);
    this.#machine = new Machine(script, this);
  }

  get pool(): Pool {
    return this.#machine.servingPool;
  }

  freshStamps(count: number): Uint32Array {
    const stamps = Uint32Array.from({ length: count }, (_, i) => this.#stamp + 1 + i);
    this.#stamp += count;
    return stamps;
  }

  async play(operations: readonly Operation[]): Promise<void> {
    await this.#open(true);
    for (const operation of operations) {
      await this.#perform(operation);
      this.#tally.operations += 1;
    }
    await this.#settle();
    await this.#reopen();
  }

  /**
   * Plays up to a point, ends the process or the power there, recovers, and compares; false when the script
   * is over before that.
   */
  async playTo(
    { events, how, outcome, opening }: CrashPoint,
    operations: readonly Operation[],
  ): Promise<boolean> {
    this.#endsAfter = events;
    try {
      await this.play(operations);
      return false;
    } catch (cause) {
      if (cause !== END_REACHED) throw cause;
    }
    this.#endsAfter = undefined;
    if (opening !== undefined) this.#nextOpenings.push(opening);
    this.#machine.chooseOutcome(outcome);
    await this.#crash(how);
    await this.#reopen();
    return true;
  }

  track<T>({ command, call, good, mayFail }: Tracked<T>): void {
    const alive = this.#machine.whileAlive();
    const end = (result: T): void => alive(() => good(result));
    const fail = (error: unknown): void =>
      alive(() => {
        this.history.abandon(command);
        if (mayFail?.(error) !== true) this.#judgeFailure(command.what, error);
      });
    let result: MaybePromise<T>;
    try {
      result = call();
    } catch (error) {
      fail(error);
      return;
    }
    if (result instanceof Promise) result.then(end, fail);
    else end(result);
  }

  trackStructure(structure: StructureCommand): void {
    this.#structures.push(structure);
    const { command, call } = structure;
    const done = (): void => {
      this.#structures = this.#structures.filter((one) => one !== structure);
    };
    this.track({
      command,
      call,
      good: () => {
        done();
        this.history.acknowledge(command, true);
      },
      mayFail: () => {
        done();
        return false;
      },
    });
  }

  onFailure(error: unknown): void {
    this.#failure ??= error;
  }

  onFault({ on, how }: Fault): void {
    count(this.#tally.faults, how === 'error' ? on : `${on} (${how})`);
  }

  onRecord(record: CheckedRecord): void {
    this.#say(`  record ${record.sequence}: ${describeRecord(record)}`);
    noteRecord(this.history, record, this.#structures);
  }

  onFact(fact: PoolFact): void {
    this.#say(`  fact ${JSON.stringify(fact)}`);
    const explained = ['recovered', 'checkpoint', 'full', 'threshold'].includes(fact.type);
    if (explained || (this.#machine.faults > 0 && fact.type !== 'corrupt')) return;
    const cause = 'cause' in fact ? fact.cause : undefined;
    throw new Disagreement(`the pool reports ${JSON.stringify(fact)}`, { cause });
  }

  #judgeFailure(what: string, error: unknown): void {
    const { world, history } = this;
    const explained =
      error instanceof StoreError && explains(error, { machine: this.#machine, world, history });
    if (explained) {
      this.#say(`  ${what} failed: ${error.code}`);
      return;
    }
    throw error instanceof Disagreement ? error : new Disagreement(`${what} failed`, { cause: error });
  }

  async #perform(operation: Operation): Promise<void> {
    this.#say(JSON.stringify(operation));
    await this.#makeRoom();
    if (this.#machine.pool?.state === 'failed') {
      await this.#crash(this.random.chance(0.5) ? 'kill' : 'power-cut');
    }
    const { issued } = this.history;
    if (!issueCommand(this, operation)) await this.#control(operation);
    if (CONTROLS.has(operation.do) || this.history.issued > issued) {
      count(this.#tally.commands, operation.do);
    }
  }

  async #control(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'checkpoint':
        return this.#checkpoint();
      case 'run':
        return this.#run(operation.events);
      case 'settle':
        return this.#settle();
      case 'reopen':
        return this.#reopen();
      case 'kill':
      case 'power-cut':
        return this.#crash(operation.do);
      case 'crash-opening':
        this.#nextOpenings.push(operation);
        return undefined;
      case 'fault':
        return this.#machine.inject(operation);
      default:
        return this.#structure(operation);
    }
  }

  /** Lets a few events happen, and enough that one more command may be in flight. */
  async #makeRoom(): Promise<void> {
    await this.#run(this.random.pick([0, 0, 1, 2, 5]));
    await this.#until(() => this.history.inFlight.length < this.world.depth);
  }

  /** One structural verb at a time; alone where it moves the end of what commands may touch. */
  async #structure(operation: Operation): Promise<void> {
    await this.#until(() => this.#structures.length === 0);
    const alone = movesEnd(this, operation);
    if (alone) await this.#drain();
    if (this.#machine.pool?.state !== 'serving') return;
    const issued = issueStructure(this, operation);
    if (issued && alone) await this.#drain();
  }

  #checkpoint(): void {
    const command = this.history.issue({ what: 'checkpoint' });
    this.track({
      command,
      call: () => this.pool.checkpoint(),
      good: () => this.history.abandon(command),
    });
  }

  /** Lets everything come to its end, and compares all there is. */
  async #settle(): Promise<void> {
    await this.#drain();
    if (this.#machine.pool?.state === 'failed') await this.#crash('kill');
    else await this.#compare();
  }

  async #drain(): Promise<void> {
    await this.#until(() => this.history.inFlight.length === 0);
  }

  async #until(done: () => boolean): Promise<void> {
    for (let left = EVENTS_MAX; !done(); left -= 1) {
      if (left > 0 && ((await this.#step()) || done())) continue;
      const waiting = this.history.inFlight.map(({ what }) => what).join('; ');
      throw new Disagreement(`never came back: ${waiting || 'the opening'}`);
    }
  }

  async #run(events: number): Promise<void> {
    for (let i = 0; i < events && this.#machine.scheduler.busy; i += 1) await this.#step();
  }

  async #step(): Promise<boolean> {
    this.#raise();
    if (this.#machine.pool !== undefined) {
      if (this.#servedEvents === this.#endsAfter) throw END_REACHED;
      this.#servedEvents += 1;
    }
    const stepped = await this.#machine.scheduler.step();
    this.#tally.events += 1;
    this.#raise();
    return stepped;
  }

  #raise(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #reopen(): Promise<void> {
    await this.#settle();
    const { faults } = this.#machine;
    const hadFailed = this.pool.state === 'failed';
    const closing = this.history.issue({ what: 'close' });
    let closed = false;
    this.track({
      command: closing,
      call: () => this.pool.close(),
      good: () => {
        closed = true;
        this.history.abandon(closing);
      },
      mayFail: () => faults > 0,
    });
    await this.#drain();
    if (!closed || !this.#machine.closed) return this.#crash('kill');
    this.#die();
    this.#say(`closed at ${this.history.appended}`);
    // A pool that failed lets go of its medium when it is closed, and can flush nothing any more.
    return this.#recover(hadFailed ? this.history.durable : this.history.acknowledged);
  }

  async #crash(how: End): Promise<void> {
    this.#die();
    await this.#recover(this.#end(how));
  }

  #die(): void {
    this.#machine.die();
    this.history.abandonAll();
    this.#structures = [];
  }

  /** Ends the process or the power; what must still be there, as a place of the journal. */
  #end(how: End): number {
    const { appended, acknowledged, durable } = this.history;
    this.#say(`${how} at ${appended}, ${acknowledged} acknowledged, ${durable} durable`);
    this.#machine.end(how);
    if (how === 'kill') this.#tally.kills += 1;
    else this.#tally.powerCuts += 1;
    // A failed flush may have let go of what was acknowledged.
    return how === 'kill' && this.#machine.flushFaults === 0 ? acknowledged : durable;
  }

  /** Checks what is left, opens it, again where the opening itself is ended, and compares. */
  async #recover(needed: number): Promise<void> {
    let required = needed;
    let sequence = await this.#check(required);
    for (let end = this.#nextOpenings.shift(); end !== undefined; end = this.#nextOpenings.shift()) {
      this.#machine.beginOpening(false);
      for (let i = 0; i < end.events && this.#machine.pool === undefined; i += 1) await this.#step();
      if (this.#machine.pool !== undefined) break;
      this.#tally.brokenOpenings += 1;
      this.#die();
      required = Math.min(required, this.#end(end.how));
      sequence = await this.#check(required);
    }
    if (this.#machine.pool === undefined) await this.#open(false);
    this.#say(`recovered to ${sequence}`);
    this.history.recoverTo(sequence);
    await this.#compare();
  }

  /** The independent check of the store as it is; the place of the journal up to which it is whole. */
  async #check(required: number): Promise<number> {
    const medium = this.#machine.openToLook();
    // Dropping caches also flushes, and so would take away what a power cut in the coming opening may lose.
    const dropCaches = this.#machine.flushFaults > 0;
    const report = await checkPool(medium, { checksum, data: true, dropCaches });
    await medium.close();
    this.#tally.checks += 1;
    if (!report.ok) throw new Disagreement(`check: ${report.errors.slice(0, 5).join('; ')}`);
    const { sequence } = report;
    if (sequence < required || sequence > this.history.appended) {
      throw new Disagreement(
        `the journal is whole up to ${sequence}; ${required} was promised, ${this.history.appended} appended`,
      );
    }
    this.history.cutAfter(sequence);
    return sequence;
  }

  async #open(create: boolean): Promise<void> {
    this.#machine.beginOpening(create);
    await this.#until(() => this.#machine.pool !== undefined);
  }

  async #compare(): Promise<void> {
    compareCatalogue(this.pool, this.history.head);
    for (const operation of everything(this.history.head)) {
      await this.#until(() => this.history.inFlight.length < this.world.depth);
      if (operation.do === 'read') data.read(this, operation);
      else data.readSnapshot(this, operation);
    }
    await this.#drain();
  }
}

/** Plays a script to its end; throws what went wrong. */
export async function play(
  script: Script,
  tally: Tally,
  say: (line: string) => void = () => undefined,
): Promise<void> {
  await new Run(script, tally, say).play(script.operations);
}

/** Ends a script at a point; false when it is over before that. Throws what went wrong. */
export async function playTo(point: CrashPoint, script: Script, tally: Tally): Promise<boolean> {
  return new Run(script, tally, () => undefined).playTo(point, script.operations);
}
