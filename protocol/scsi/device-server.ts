/**
 * The device server of one logical unit (SAM-5 §4.6.3): what SCSI keeps of a unit beside its blocks —
 * reservations, mode parameters, the medium's presence, the task set — and the door through which
 * unit attentions reach every nexus that sees the unit.
 *
 * There is one device server for one `LogicalUnit`, whichever targets map it, so that reservations hold
 * across targets; `DeviceServers` finds it.
 */
import { CheckedDevice } from '../../lun/checked-device.ts';
import type { LogicalUnit, UnitFact } from '../../lun/logical-unit.ts';
import type { MaybePromise } from '../../lun/units.ts';
import { PortGroupAccess } from './alua/access-state.ts';
import { RodTokens, type RodTokensOptions } from './copy/rod-tokens.ts';
import { ModeParameters } from './mode-parameters.ts';
import type { NexusState } from './nexus-state.ts';
import { checkCondition, type Failure } from './outcome.ts';
import { Pace, type Timing } from './pace.ts';
import { type PersistentState, registrationOf } from './pr/state.ts';
import { loadReservations } from './pr/store.ts';
import { Sanitizer } from './sanitizer.ts';
import { SelfTests } from './self-test.ts';
import { Sense, type SenseCode } from './sense.ts';
import { Statistics } from './statistics.ts';
import type { TargetPort } from './target-port.ts';
import { TaskSet } from './task-set.ts';
import { Traffic } from './traffic.ts';

const NO_MEDIUM = checkCondition(Sense.MEDIUM_NOT_PRESENT);

/** What a command needs of the medium. */
export interface Needs {
  /** Answers NOT READY while there is no medium. */
  readonly needsMedium: boolean;
  /** Runs while the unit is being sanitized and after that failed (SBC-3 §4.11.2); nothing else does. */
  readonly runsInSanitize?: boolean;
  /** Runs after a sanitize that failed. */
  readonly runsAfterFailedSanitize?: boolean;
}

/** Who sees a unit: a target that maps it. */
export interface NexusSource {
  nexuses(): Iterable<NexusState>;
  /** Those that are shown the unit. */
  nexusesAt(server: DeviceServer): Iterable<NexusState>;
  /** The target's ports. */
  targetPorts(): readonly TargetPort[];
  /** Ends the tasks of these nexuses at the unit; completes when they have ended. */
  abortTasks(server: DeviceServer, nexuses: readonly NexusState[]): MaybePromise<void>;
}

/** The sense that an Asynchronous Message may carry beside a unit attention. */
export type AttentionListener = (code: SenseCode) => void;

export class DeviceServer {
  readonly unit: LogicalUnit;
  readonly device: CheckedDevice;
  readonly modes: ModeParameters;
  readonly taskSet = new TaskSet();
  readonly access = new PortGroupAccess();
  readonly statistics = new Statistics();
  readonly traffic = new Traffic();
  readonly selfTests = new SelfTests();
  readonly pace: Pace;
  /** Wall clock when this began, milliseconds. */
  readonly beganMs: number;
  /** SET TIMESTAMP less the wall clock; undefined while nobody has set it. */
  timestampOffsetMs: number | undefined;
  readonly sanitizer: Sanitizer;
  /** The medium is there and neither FORMAT UNIT nor SANITIZE runs: the one thing the hot path asks. */
  mediumReady = true;
  #mediumPresent = true;
  #formatProgress: number | undefined;
  /** Nexuses that prevent the removal of the medium. */
  readonly preventers = new Set<NexusState>();
  /** A RESERVE(6) or a persistent reservation stands: commands must be checked against it. */
  reserved = false;
  #legacyHolder: NexusState | undefined;
  #persistent: PersistentState;
  readonly #sources = new Map<NexusSource, AttentionListener>();
  readonly #stopFacts: () => void;

  constructor(
    unit: LogicalUnit,
    {
      beganMs,
      sanitizer,
      timing,
    }: {
      readonly beganMs: number;
      readonly sanitizer: Sanitizer;
      readonly timing: Timing | undefined;
    },
  ) {
    this.unit = unit;
    this.sanitizer = sanitizer;
    sanitizer.onChange = () => this.#noteReady();
    this.beganMs = beganMs;
    this.pace = new Pace(timing);
    this.pace.limit(unit.limits ?? {});
    this.device = new CheckedDevice(unit.device);
    this.modes = new ModeParameters(unit);
    this.#persistent = loadReservations(unit.state);
    this.#noteReserved();
    this.#noteReady();
    this.#stopFacts = unit.onFact((fact) => this.#hear(fact));
  }

  get writeProtected(): boolean {
    return this.unit.readOnly || this.modes.softwareWriteProtect;
  }

  /** The nexus that holds RESERVE(6). */
  get legacyHolder(): NexusState | undefined {
    return this.#legacyHolder;
  }

  set legacyHolder(holder: NexusState | undefined) {
    this.#legacyHolder = holder;
    this.#noteReserved();
  }

  /** False between an eject and a load; only a removable unit is ever without its medium. */
  get mediumPresent(): boolean {
    return this.#mediumPresent;
  }

  set mediumPresent(present: boolean) {
    this.#mediumPresent = present;
    this.#noteReady();
  }

  /** How much of a FORMAT UNIT is done, 0 … 1; undefined while none runs. */
  get formatProgress(): number | undefined {
    return this.#formatProgress;
  }

  set formatProgress(progress: number | undefined) {
    this.#formatProgress = progress;
    this.#noteReady();
  }

  /** Why commands cannot use the medium now, if so. */
  notReady(): Failure | undefined {
    if (!this.#mediumPresent) return NO_MEDIUM;
    if (this.sanitizer.holds) return this.#sanitizing();
    if (this.#formatProgress === undefined) return undefined;
    return checkCondition(Sense.LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS, {
      progress: this.#formatProgress,
    });
  }

  /** Why this command cannot run now, if so; asked only while the medium is not ready. */
  unreadyFor(row: Needs): Failure | undefined {
    if (!this.sanitizer.holds) return row.needsMedium ? this.notReady() : undefined;
    if (row.runsInSanitize === true) return undefined;
    if (row.runsAfterFailedSanitize === true && this.sanitizer.failure !== undefined) return undefined;
    return this.#sanitizing();
  }

  get persistent(): PersistentState {
    return this.#persistent;
  }

  set persistent(state: PersistentState) {
    this.#persistent = state;
    this.#noteReserved();
  }

  attach(source: NexusSource, listener: AttentionListener): void {
    this.#sources.set(source, listener);
  }

  /**
   * A target no longer maps the unit: its nexuses let go of what they hold here. True when none maps
   * it any more.
   */
  detach(source: NexusSource): boolean {
    this.#sources.delete(source);
    for (const nexus of source.nexuses()) this.dismiss(nexus);
    if (this.#sources.size === 0) this.#stopFacts();
    return this.#sources.size === 0;
  }

  *nexuses(): Iterable<NexusState> {
    for (const source of this.#sources.keys()) yield* source.nexusesAt(this);
  }

  /** Commands that are running, or wait for their order or for the unit's limits. */
  get queuedCommands(): number {
    return this.taskSet.running + this.taskSet.blocked + this.pace.waiting;
  }

  /** Every port through which the unit can be reached. */
  targetPorts(): readonly TargetPort[] {
    return [...this.#sources.keys()].flatMap((source) => source.targetPorts());
  }

  /** Establishes a unit attention on every nexus but one that a predicate, if given, lets pass. */
  raise(code: SenseCode, except?: NexusState, wants?: (nexus: NexusState) => boolean): void {
    for (const nexus of this.nexuses()) {
      if (nexus !== except && (wants === undefined || wants(nexus))) nexus.attentions.raise(this, code);
    }
  }

  /** Ends the tasks of these nexuses at the unit, through whichever target they came. */
  async abortTasks(isVictim: (nexus: NexusState) => boolean): Promise<void> {
    const ending: MaybePromise<void>[] = [];
    for (const source of this.#sources.keys()) {
      const victims = [...source.nexuses()].filter(isVictim);
      if (victims.length > 0) ending.push(source.abortTasks(this, victims));
    }
    await Promise.all(ending);
  }

  isRegistered(nexus: NexusState): boolean {
    return registrationOf(this.#persistent, portsOf(nexus)) !== undefined;
  }

  /**
   * A nexus is no longer shown the unit: whatever it holds here ends, but for what is persistent. Commands of
   * it that run go on; those that wait are answered as any command for a LUN without a unit (SAM-5 §5.11).
   */
  dismiss(nexus: NexusState): void {
    this.pace.dismiss(nexus);
    this.taskSet.dismiss(nexus);
    this.nexusLost(nexus);
    nexus.attentions.forget(this);
  }

  /** I_T nexus loss (SAM-5 §6.3.4): RESERVE(6) and its prevention end; persistent registrations stay. */
  nexusLost(nexus: NexusState): void {
    this.pace.cancelAll(nexus);
    this.taskSet.cancelAll(nexus);
    this.preventers.delete(nexus);
    if (this.#legacyHolder === nexus) this.legacyHolder = undefined;
  }

  /** Logical unit reset (SAM-5 §6.3.3). The tasks have ended already. */
  reset(code: SenseCode): void {
    this.legacyHolder = undefined;
    this.preventers.clear();
    this.modes.reset();
    this.raise(code);
  }

  #sanitizing(): Failure {
    const { progress } = this.sanitizer;
    if (progress === undefined) return checkCondition(Sense.SANITIZE_COMMAND_FAILED);
    return checkCondition(Sense.LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS, { progress });
  }

  #noteReady(): void {
    this.mediumReady = this.#mediumPresent && this.#formatProgress === undefined && !this.sanitizer.holds;
  }

  #noteReserved(): void {
    this.reserved = this.#legacyHolder !== undefined || this.#persistent.reservation !== undefined;
  }

  #hear(fact: UnitFact): void {
    if (fact === 'limits-changed') {
      this.pace.limit(this.unit.limits ?? {});
      return;
    }
    if (fact === 'mode-changed') this.modes.reset();
    if (fact === 'thresholds-changed') this.modes.thresholdsChanged();
    const code = attentionOf(fact);
    this.raise(code);
    for (const listener of this.#sources.values()) listener(code);
  }
}

/**
 * The words SCSI has for a fact of a unit. Contents that were rolled back are a medium that may have
 * changed.
 */
function attentionOf(fact: Exclude<UnitFact, 'limits-changed'>): SenseCode {
  switch (fact) {
    case 'capacity-changed':
      return Sense.CAPACITY_DATA_HAS_CHANGED;
    case 'contents-replaced':
      return Sense.NOT_READY_TO_READY_CHANGE;
    case 'mode-changed':
    case 'thresholds-changed':
      return Sense.MODE_PARAMETERS_CHANGED;
    case 'space-threshold':
      return Sense.THIN_PROVISIONING_SOFT_THRESHOLD_REACHED;
    default:
      return fact satisfies never;
  }
}

/** The names by which persistent reservations know a nexus. */
export function portsOf(nexus: NexusState): { initiatorPort: string; targetPort: string } {
  return { initiatorPort: nexus.initiator.portName, targetPort: nexus.targetPort.name };
}

/** The device servers of all targets of one server process, one for each unit that is mapped. */
export class DeviceServers {
  readonly tokens: RodTokens;
  readonly #servers = new Map<LogicalUnit, DeviceServer>();
  /** A sanitize goes on when no target maps the unit any more. */
  readonly #sanitizers = new WeakMap<LogicalUnit, Sanitizer>();
  readonly #timing: Timing | undefined;

  /** Without `nowMs` the limits of units are not kept. */
  constructor(options: RodTokensOptions & Partial<Pick<Timing, 'nowMs'>>) {
    this.tokens = new RodTokens(options);
    const { nowMs, after } = options;
    this.#timing = nowMs === undefined ? undefined : { nowMs, after };
  }

  attach(unit: LogicalUnit, source: NexusSource, listener: AttentionListener, nowMs: number): DeviceServer {
    let server = this.#servers.get(unit);
    if (server === undefined) {
      const sanitizer = this.#sanitizerOf(unit);
      server = new DeviceServer(unit, { beganMs: nowMs, sanitizer, timing: this.#timing });
      this.#servers.set(unit, server);
    }
    server.attach(source, listener);
    return server;
  }

  #sanitizerOf(unit: LogicalUnit): Sanitizer {
    let sanitizer = this.#sanitizers.get(unit);
    if (sanitizer === undefined) {
      sanitizer = new Sanitizer(unit);
      this.#sanitizers.set(unit, sanitizer);
    }
    return sanitizer;
  }

  detach(server: DeviceServer, source: NexusSource): void {
    if (server.detach(source)) this.#servers.delete(server.unit);
  }

  /** Those of all units that are mapped. */
  list(): Iterable<DeviceServer> {
    return this.#servers.values();
  }
}
