/**
 * One SCSI target: its logical units by LUN and the nexuses that use them (SAM-5 §4.6). The transport
 * opens a `Nexus` for each session and gives it commands; everything that one nexus's doing means for
 * the others — unit attentions, reservations, resets — happens here.
 */
import type { UnitMap } from '../../lun/logical-unit.ts';
import type { MaybePromise } from '../../lun/units.ts';
import type { Product, TargetFacts } from './command.ts';
import { COMMANDS } from './commands.ts';
import type { DeviceServer, DeviceServers, NexusSource } from './device-server.ts';
import { attend, execute, executeAbsent, failed } from './execute.ts';
import { lunField, lunNumber } from './lun-field.ts';
import { type InitiatorPort, NexusState } from './nexus-state.ts';
import { checkCondition, TASK_SET_FULL } from './outcome.ts';
import { encodeSense, Sense, type SenseCode } from './sense.ts';
import { DEFAULT_PORTAL_GROUP_TAG, type TargetPort, targetPort } from './target-port.ts';
import type { ScsiTask, TaskResult } from './task.ts';
import { TRAFFIC_KINDS, Traffic } from './traffic.ts';
import { trafficKind } from './traffic-kind.ts';

/** Tasks of other nexuses that must end before a command completes (PREEMPT AND ABORT). */
export interface AbortRequest {
  /** The 8-byte LUN field whose tasks end. */
  readonly lun: Uint8Array;
  readonly nexuses: readonly NexusState[];
}

export interface ScsiTargetOptions {
  readonly units: UnitMap;
  /** iSCSI name of the target. */
  readonly name: string;
  /** Tags of the portal groups that lead here, each once; the default one unless stated. */
  readonly portalGroupTags?: () => readonly number[];
  readonly product: Product;
  /** Shared with the other targets of the process, for units that several of them map, and for tokens. */
  readonly servers: DeviceServers;
  /** Wall clock, milliseconds since 1970; without it time stands still at 1970. */
  readonly nowMs?: () => number;
  /** Gives a buffer for data-in; it may hold anything. Zeroed memory unless stated. */
  readonly allocate?: (bytes: number) => Uint8Array;
  /** Ends tasks of other nexuses (PREEMPT AND ABORT); completes when they have ended. */
  readonly abortTasks: (victims: AbortRequest) => MaybePromise<void>;
  /** Told of our own faults: the command then ends with HARDWARE ERROR. Without it they are thrown on. */
  readonly onFault?: (error: unknown) => void;
}

export interface AsyncEvent {
  readonly sense: Uint8Array;
  readonly lun: number;
  /** Whether it is any business of this nexus. */
  readonly concerns: (nexus: Nexus) => boolean;
}

/** Whether a nexus is shown the unit at a LUN number; asked again when the units or the answers changed. */
export type SeesLun = (lun: number) => boolean;

export interface NexusOptions {
  /** Every LUN unless stated. */
  readonly sees?: SeesLun;
  /** The portal group through which it came. */
  readonly portalGroupTag?: number;
}

/** A command's result, and the unit that it was for where there is one. */
export type TaskEnded = (result: TaskResult, server: DeviceServer | undefined) => void;

const MOVES_BLOCKS = TRAFFIC_KINDS.map((kind) => kind === 'read' || kind === 'write' || kind === 'verify');

type AsyncListener = (event: AsyncEvent) => void;

export class ScsiTarget implements NexusSource {
  readonly facts: TargetFacts;
  readonly onFault: ((error: unknown) => void) | undefined;
  readonly #units: UnitMap;
  readonly #portalGroupTags: () => readonly number[];
  readonly #abortTasks: ScsiTargetOptions['abortTasks'];
  readonly #servers: DeviceServers;
  readonly #byLun = new Map<number, DeviceServer>();
  readonly #nexuses = new Map<NexusState, Nexus>();
  /** Relative identifiers of the ports that initiators were last told of. */
  #portIds: readonly number[] = [];
  readonly #listeners = new Set<AsyncListener>();
  readonly #stopChanges: () => void;

  constructor(options: ScsiTargetOptions) {
    const { units, name, product, portalGroupTags = () => [DEFAULT_PORTAL_GROUP_TAG] } = options;
    this.#units = units;
    this.#portalGroupTags = portalGroupTags;
    this.#abortTasks = options.abortTasks;
    this.#servers = options.servers;
    this.onFault = options.onFault;
    this.facts = {
      ...{ name, product },
      targetPorts: () => this.targetPorts(),
      commands: COMMANDS,
      tokens: options.servers.tokens,
      lunNumbers: (nexus) =>
        units.numbers().filter((lun) => this.#nexuses.get(nexus)?.luns.has(lun) === true),
      unitsOf: (nexus) => this.#nexuses.get(nexus)?.luns.values() ?? [],
      nowMs: options.nowMs ?? (() => 0),
      allocate: options.allocate ?? ((bytes) => new Uint8Array(bytes)),
    };
    this.#mapUnits();
    this.#stopChanges = units.onChange(() => this.#inventoryChanged());
  }

  /** A session reached full feature phase. What it missed before is one reset condition (SAM-5 §5.14). */
  openNexus(
    initiator: InitiatorPort,
    { sees = () => true, portalGroupTag = DEFAULT_PORTAL_GROUP_TAG }: NexusOptions = {},
  ): Nexus {
    const state = new NexusState(initiator, targetPort(this.facts.name, portalGroupTag));
    const nexus = new Nexus(this, state, sees);
    nexus.luns = this.#shownTo(nexus);
    this.#nexuses.set(state, nexus);
    this.reviewPorts();
    tell(nexus, Sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED);
    return nexus;
  }

  /** Those of a portal group that is gone count as long as a nexus goes through it. */
  targetPorts(): readonly TargetPort[] {
    return this.#presentPortIds().map((tag) => targetPort(this.facts.name, tag));
  }

  /** To be called when portal groups came or went: where ports did, VPD page 88h changed (SPC-4 §7.8.14). */
  reviewPorts(): void {
    const ids = this.#presentPortIds();
    if (ids.join() === this.#portIds.join()) return;
    this.#portIds = ids;
    for (const nexus of this.#nexuses.values()) tell(nexus, Sense.INQUIRY_DATA_HAS_CHANGED);
  }

  nexuses(): Iterable<NexusState> {
    return this.#nexuses.keys();
  }

  *nexusesAt(server: DeviceServer): Iterable<NexusState> {
    for (const [state, nexus] of this.#nexuses) {
      if (nexus.luns === this.#byLun || nexus.lunsOf(server).length > 0) yield state;
    }
  }

  async abortTasks(server: DeviceServer, nexuses: readonly NexusState[]): Promise<void> {
    const luns = [...this.#byLun].filter(([, mapped]) => mapped === server).map(([lun]) => lunField(lun));
    await Promise.all(luns.map((lun) => this.#abortTasks({ lun, nexuses })));
  }

  /**
   * LOGICAL UNIT RESET, once its tasks have ended. Every nexus hears of it, the asker too (SAM-5
   * §6.3.3). False: no such LUN.
   */
  resetLun(lun: Uint8Array, from: Nexus): boolean {
    const server = from.serverAt(lun);
    server?.reset(Sense.BUS_DEVICE_RESET_FUNCTION_OCCURRED);
    return server !== undefined;
  }

  /** A reset of every unit, once the tasks have ended; when a nexus asked for it, of those it is shown. */
  resetTarget(from: Nexus | undefined): void {
    for (const server of (from?.luns ?? this.#byLun).values())
      server.reset(Sense.BUS_DEVICE_RESET_FUNCTION_OCCURRED);
  }

  /**
   * CLEAR TASK SET, once the tasks have ended. `affected` names the nexuses that had tasks; without it
   * all others are told. False: no such LUN.
   */
  clearTaskSet(lun: Uint8Array, from: Nexus, affected?: readonly Nexus[]): boolean {
    const server = from.serverAt(lun);
    const wants = affected && ((nexus: NexusState) => affected.some(({ state }) => state === nexus));
    server?.raise(Sense.COMMANDS_CLEARED_BY_ANOTHER_INITIATOR, from.state, wants);
    return server !== undefined;
  }

  /** Tells what an Asynchronous Message (RFC 7143 §11.9) may carry; the returned function ends that. */
  onAsyncEvent(listener: AsyncListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Lets go of the units. No nexus may be open any more. */
  close(): void {
    this.#stopChanges();
    for (const server of this.#byLun.values()) this.#servers.detach(server, this);
    this.#byLun.clear();
  }

  /** Ends a nexus; called by `Nexus.close`. */
  nexusLost(state: NexusState): void {
    for (const server of this.#byLun.values()) server.nexusLost(state);
    this.#nexuses.delete(state);
    this.reviewPorts();
  }

  /** Asks anew what each nexus is shown, and tells those for which that is something else now. */
  reviewViews(): void {
    const changed = new Set<Nexus>();
    for (const nexus of this.#nexuses.values()) {
      const luns = this.#shownTo(nexus);
      if (sameEntries(luns, nexus.luns)) continue;
      const before = new Set(nexus.luns.values());
      nexus.luns = luns;
      for (const server of before) if (nexus.lunsOf(server).length === 0) server.dismiss(nexus.state);
      tell(nexus, Sense.REPORTED_LUNS_DATA_HAS_CHANGED);
      changed.add(nexus);
    }
    if (changed.size > 0) this.#tell(Sense.REPORTED_LUNS_DATA_HAS_CHANGED, 0, (nexus) => changed.has(nexus));
  }

  #presentPortIds(): readonly number[] {
    const ids = new Set(this.#portalGroupTags());
    for (const { targetPort: used } of this.#nexuses.keys()) ids.add(used.relativeId);
    return [...ids].sort((a, b) => a - b);
  }

  #inventoryChanged(): void {
    this.#mapUnits();
    // Who is shown everything holds the map itself, which has changed already.
    const whole = [...this.#nexuses.values()].filter((nexus) => nexus.luns === this.#byLun);
    for (const nexus of whole) tell(nexus, Sense.REPORTED_LUNS_DATA_HAS_CHANGED);
    this.#tell(Sense.REPORTED_LUNS_DATA_HAS_CHANGED, 0, (nexus) => whole.includes(nexus));
    this.reviewViews();
  }

  /** The map itself, which costs nothing to keep, for a nexus that is shown all of it. */
  #shownTo({ sees }: Nexus): ReadonlyMap<number, DeviceServer> {
    const shown = [...this.#byLun].filter(([lun]) => sees(lun));
    return shown.length === this.#byLun.size ? this.#byLun : new Map(shown);
  }

  #mapUnits(): void {
    for (const [lun, server] of this.#byLun) {
      if (this.#units.get(lun) === server.unit) continue;
      this.#byLun.delete(lun);
      if (![...this.#byLun.values()].includes(server)) this.#servers.detach(server, this);
    }
    for (const lun of this.#units.numbers()) {
      const unit = this.#units.get(lun);
      if (unit === undefined || this.#byLun.has(lun)) continue;
      this.#byLun.set(
        lun,
        this.#servers.attach(
          unit,
          this,
          (code) => this.#tell(code, lun, (nexus) => nexus.luns.has(lun)),
          this.facts.nowMs(),
        ),
      );
    }
  }

  #tell(code: SenseCode, lun: number, concerns: AsyncEvent['concerns']): void {
    const event = { sense: encodeSense(code, false), lun, concerns };
    for (const listener of this.#listeners) listener(event);
  }
}

/** Establishes a unit attention at every unit that the nexus is shown. */
function tell({ luns, state }: Nexus, code: SenseCode): void {
  for (const server of luns.values()) state.attentions.raise(server, code);
}

function sameEntries(a: ReadonlyMap<number, DeviceServer>, b: ReadonlyMap<number, DeviceServer>): boolean {
  return a === b || (a.size === b.size && [...a].every(([lun, server]) => b.get(lun) === server));
}

/** One I_T nexus: commands in, results out. */
export class Nexus {
  readonly state: NexusState;
  readonly sees: SeesLun;
  readonly traffic = new Traffic();
  /** The units that the nexus is shown; to it there are no others. Set by the target. */
  luns: ReadonlyMap<number, DeviceServer> = new Map();
  readonly #target: ScsiTarget;

  constructor(target: ScsiTarget, state: NexusState, sees: SeesLun) {
    this.#target = target;
    this.state = state;
    this.sees = sees;
  }

  serverAt(lun: Uint8Array): DeviceServer | undefined {
    const number = lunNumber(lun);
    return number === undefined ? undefined : this.luns.get(number);
  }

  /** The LUN fields at which the nexus is shown this unit. */
  lunsOf(server: DeviceServer): readonly Uint8Array[] {
    return [...this.luns].filter(([, shown]) => shown === server).map(([lun]) => lunField(lun));
  }

  /**
   * Runs one command. `done` is called exactly once, possibly before this returns. False: the limits of the
   * unit hold the command back, and it will begin by itself.
   */
  execute(task: ScsiTask, done: TaskEnded): boolean {
    const server = this.serverAt(task.lun);
    if (server?.pace.isLimited === true && !this.#mayBegin(server, task, done)) return false;
    this.#enter(server, task, done);
    return true;
  }

  /** Within the limits of the unit; otherwise it is kept until it may. */
  #mayBegin({ pace }: DeviceServer, task: ScsiTask, done: TaskEnded): boolean {
    const movesBlocks = MOVES_BLOCKS[trafficKind(task.cdb)] === true;
    if (pace.admits(task, movesBlocks)) return true;
    // Asks for the unit once more when its turn comes: it may be another one then, or none.
    const start = (): void => this.#enter(this.serverAt(task.lun), task, done);
    const gone = (): void => this.#answerAbsent(task, done);
    pace.hold({ owner: this.state, task, movesBlocks, start, gone });
    return false;
  }

  #enter(server: DeviceServer | undefined, task: ScsiTask, done: TaskEnded): void {
    if (server === undefined) {
      this.#answerAbsent(task, done);
      return;
    }
    const { attribute, tag } = task;
    if (attribute !== 'ordered' && attribute !== 'head-of-queue' && server.taskSet.admitSimple()) {
      this.#run(server, task, done);
      return;
    }
    const start = (): void => this.#run(server, task, done);
    const gone = (): void => this.#answerAbsent(task, done);
    if (server.taskSet.enter({ owner: this.state, tag, attribute, start, gone })) return;
    if (server.modes.statusesAttend) attend(server, this.state, TASK_SET_FULL);
    done(failed(TASK_SET_FULL, false), server);
  }

  #answerAbsent(task: ScsiTask, done: TaskEnded): void {
    done(executeAbsent({ target: this.#target.facts, nexus: this.state, task }), undefined);
  }

  /** Ends a task that waits in the task set: true, and its `done` is never called. */
  cancel(lun: Uint8Array, tag: number): boolean {
    return this.serverAt(lun)?.taskSet.cancel(this.state, tag) ?? false;
  }

  /** The same for one that the limits of the unit hold back. */
  cancelHeld(lun: Uint8Array, tag: number): boolean {
    return this.serverAt(lun)?.pace.cancel(this.state, tag) ?? false;
  }

  /** I_T nexus loss. Tasks that wait are dropped; those that run complete to nobody. */
  close(): void {
    this.#target.nexusLost(this.state);
  }

  #run(server: DeviceServer, task: ScsiTask, done: TaskEnded): void {
    let result: MaybePromise<TaskResult>;
    try {
      result = execute({ target: this.#target.facts, server, nexus: this.state, task });
    } catch (error) {
      this.#faulted(server, task, done, error);
      return;
    }
    if (result instanceof Promise) {
      this.#runLong(server, task, done, result);
      return;
    }
    done(result, server);
    server.taskSet.ended(task.attribute);
  }

  #runLong(server: DeviceServer, task: ScsiTask, done: TaskEnded, running: Promise<TaskResult>): void {
    const ended = (result: TaskResult): void => {
      done(result, server);
      server.taskSet.ended(task.attribute);
    };
    void running.then(ended, (error: unknown) => this.#faulted(server, task, done, error));
  }

  #faulted(server: DeviceServer, task: ScsiTask, done: TaskEnded, error: unknown): void {
    server.taskSet.ended(task.attribute);
    if (this.#target.onFault === undefined) throw error;
    this.#target.onFault(error);
    done(failed(checkCondition(Sense.INTERNAL_TARGET_FAILURE), server.modes.descriptorSense), server);
  }
}
