/**
 * The schedules of a server: takes what is due by the server's clock, and deletes what is kept no longer. A
 * run that fell into a time in which the server was down, or that failed, is made up for once. What a
 * schedule deletes carries its mark, so nothing that an operator made is ever among it; and what is mapped or
 * being exported waits until it is not.
 */
import { OperatorError } from '../../lun/errors.ts';
import type { Pool } from '../../snapshot/pool.ts';
import type { ChangeQueue } from '../change-queue.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { DocumentChanges } from '../targets/targets.ts';
import { surplus } from './retention.ts';
import { asSchedule, checkSchedule, SCHEDULE_DOCUMENTS, type Schedule, snapshotNameAt } from './schedule.ts';
import { nextDue } from './timing.ts';

export interface SchedulesOptions {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly log: Log;
  readonly changes: ChangeQueue;
  /** Whether somebody reads the snapshot: it is mapped, or being exported. */
  readonly inUse: (snapshot: { readonly vlun: string; readonly snapshot: string }) => boolean;
}

export interface ScheduleState extends Schedule {
  /** When it runs next, milliseconds since 1970; after a failure, when it is tried again. */
  readonly nextRunMs: number;
  /** Of the last run, if that failed. */
  readonly lastError: string | undefined;
}

/** The clock people set may jump: it is looked at this often at least. */
const LOOK_MS = 60_000;
const RETRY_MS = 60_000;

interface Failure {
  readonly message: string;
  readonly retryAtMs: number;
}

export class Schedules {
  readonly #options: SchedulesOptions;
  /** By document. */
  readonly #failures = new Map<string, Failure>();
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #started = false;
  #stopped = false;

  constructor(options: SchedulesOptions) {
    this.#options = options;
  }

  /** By the names of LUNs, then by their own. */
  list(): readonly ScheduleState[] {
    const states = this.#all().map(([document, schedule]) => ({
      ...schedule,
      nextRunMs: this.#nextRunMs(document, schedule),
      lastError: this.#failures.get(document)?.message,
    }));
    return states.sort((one, other) => (sortKey(one) < sortKey(other) ? -1 : 1));
  }

  /** Makes a schedule, or changes the one of these LUNs and this name. OperatorError not-found, exists, … */
  async set(wanted: Omit<Schedule, 'setAtMs' | 'lastRunMs'>): Promise<ScheduleState> {
    const { pool, clock } = this.#options;
    const luns = [...wanted.luns].sort();
    const schedule = { ...wanted, luns, setAtMs: clock.wallMs() };
    checkSchedule(schedule);
    for (const lun of luns) {
      if (pool.info(lun) === undefined) {
        throw new OperatorError('not-found', `there is no LUN ${lun}; \`snaplun lun list\` shows them`);
      }
    }
    const present = this.#all().find(([, one]) => sameSchedule(one, schedule));
    if (present === undefined) this.#refuseSecond(schedule);
    const document = present?.[0] ?? freeDocument(new Set(this.#all().map(([taken]) => taken)));
    const lastRunMs = present?.[1].lastRunMs;
    const stored = { ...schedule, ...(lastRunMs !== undefined && { lastRunMs }) };
    await pool.documents.put({ [document]: stored });
    this.#failures.delete(document);
    this.#arm();
    return { ...stored, nextRunMs: this.#nextRunMs(document, stored), lastError: undefined };
  }

  /** Ends the schedules of exactly these LUNs, or the one of this name; their snapshots stay. */
  async clear(names: readonly string[], schedule: string | undefined): Promise<readonly Schedule[]> {
    const luns = [...names].sort();
    const found = this.#all().filter(
      ([, one]) => sameLuns(one.luns, luns) && (schedule === undefined || one.name === schedule),
    );
    if (found.length === 0) {
      const others = this.#all().filter(([, one]) => one.luns.some((lun) => luns.includes(lun)));
      const known = others.map(([, one]) => `${one.luns.join(',')} ${one.name}`).join('; ');
      const named = schedule === undefined ? '' : ` ${schedule}`;
      throw new OperatorError(
        'not-found',
        `there is no schedule${named} of ${luns.join(',')}${known === '' ? '' : `, but there is: ${known}`}`,
      );
    }
    await this.#options.pool.documents.put(
      Object.fromEntries(found.map(([document]) => [document, undefined])),
    );
    for (const [document] of found) this.#failures.delete(document);
    return found.map(([, one]) => one);
  }

  /** The documents without this LUN, which is about to go. */
  planWithout(vlun: string): DocumentChanges {
    const changes: Record<string, Schedule | undefined> = {};
    for (const [document, schedule] of this.#all()) {
      const luns = schedule.luns.filter((lun) => lun !== vlun);
      if (luns.length === schedule.luns.length) continue;
      changes[document] = luns.length === 0 ? undefined : { ...schedule, luns };
    }
    return changes;
  }

  /** The documents in which exactly these schedules stand; one that stays as it is keeps its own. */
  planAll(wanted: readonly Omit<Schedule, 'setAtMs' | 'lastRunMs'>[]): DocumentChanges {
    const changes: Record<string, Schedule | undefined> = {};
    const present = this.#all();
    const setAtMs = this.#options.clock.wallMs();
    for (const [document, one] of present) {
      const as = wanted.find((other) => sameSchedule(one, other));
      if (as === undefined) changes[document] = undefined;
      else if (!sameRule(one, as)) changes[document] = { ...one, when: as.when, keep: as.keep, setAtMs };
    }
    const taken = new Set(present.map(([document]) => document));
    for (const schedule of wanted) {
      if (present.some(([, one]) => sameSchedule(one, schedule))) continue;
      const document = freeDocument(taken);
      taken.add(document);
      changes[document] = { ...schedule, setAtMs };
    }
    return changes;
  }

  /** Their documents were changed by somebody else. */
  changed(documents: readonly string[]): void {
    for (const document of documents) this.#failures.delete(document);
    this.#arm();
  }

  /** From now on what is due is run; what was missed, at once. */
  start(): void {
    this.#started = true;
    this.#arm();
  }

  /** Completes when a run under way has ended. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    return this.#running;
  }

  #all(): Array<readonly [string, Schedule]> {
    const { documents } = this.#options.pool;
    return documents
      .names(SCHEDULE_DOCUMENTS)
      .map((document) => [document, asSchedule(documents.get(document))] as const);
  }

  #refuseSecond(schedule: Schedule): void {
    for (const [, other] of this.#all()) {
      const lun = other.luns.find((one) => schedule.luns.includes(one));
      if (lun === undefined || other.name !== schedule.name) continue;
      const words = `${other.luns.join(',')} ${other.name}`;
      throw new OperatorError(
        'exists',
        `${lun} has a schedule ${schedule.name} already; \`snaplun schedule clear ${words}\` ends it, or give this one another name`,
      );
    }
  }

  #nextRunMs(document: string, schedule: Schedule): number {
    const retryAtMs = this.#failures.get(document)?.retryAtMs;
    return retryAtMs ?? dueMs(schedule);
  }

  #arm(): void {
    if (this.#stopped || !this.#started) return;
    const { clock, changes } = this.#options;
    this.#cancel?.();
    const next = this.#all().map(([document, schedule]) => this.#nextRunMs(document, schedule));
    if (next.length === 0) return;
    const waitMs = Math.max(0, Math.min(...next) - clock.wallMs());
    this.#cancel = clock.after(Math.min(LOOK_MS, waitMs), () => {
      this.#running = changes.run(() => this.#runDue()).then(() => this.#arm());
    });
  }

  /** Never rejects. */
  async #runDue(): Promise<void> {
    for (const [document] of this.#all()) {
      if (this.#stopped) return;
      const schedule = this.#options.pool.documents.get(document);
      if (schedule !== undefined) await this.#runOne(document, asSchedule(schedule));
    }
  }

  async #runOne(document: string, schedule: Schedule): Promise<void> {
    const { clock, log } = this.#options;
    const nowMs = clock.wallMs();
    const failure = this.#failures.get(document);
    if (failure !== undefined && failure.retryAtMs > nowMs && failure.retryAtMs <= nowMs + RETRY_MS) return;
    try {
      if (lastMs(schedule) > nowMs + LOOK_MS) await this.#beginAnew(document, schedule, nowMs);
      else if (dueMs(schedule) <= nowMs) await this.#take(document, schedule, nowMs);
      await this.#prune(schedule);
      this.#failures.delete(document);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      this.#failures.set(document, { message, retryAtMs: nowMs + RETRY_MS });
      log.error('a schedule failed and is tried again in a minute', {
        event: 'schedule-failed',
        schedule: schedule.name,
        luns: schedule.luns.join(','),
        why: message,
      });
    }
  }

  /** Its last run lies in the future: the clock was set back. */
  async #beginAnew(document: string, schedule: Schedule, nowMs: number): Promise<void> {
    const { lastRunMs: _later, ...rest } = schedule;
    await this.#options.pool.documents.put({ [document]: { ...rest, setAtMs: nowMs } });
  }

  async #take(document: string, schedule: Schedule, nowMs: number): Promise<void> {
    const { pool, log } = this.#options;
    const snapshot = snapshotNameAt(schedule.name, nowMs);
    const { pausedMs } = await pool.createSnapshots(
      schedule.luns.map((vlun) => ({ vlun, snapshot })),
      { schedule: schedule.name, documents: { [document]: { ...schedule, lastRunMs: nowMs } } },
    );
    log.info('snapshot taken by schedule', {
      event: 'snapshot-created',
      luns: schedule.luns.join(','),
      snapshot,
      schedule: schedule.name,
      pausedMs: Math.round(pausedMs * 1000) / 1000,
    });
  }

  async #prune({ name, luns, keep }: Schedule): Promise<void> {
    const { pool, log, inUse } = this.#options;
    for (const vlun of luns) {
      const own = pool.snapshots(vlun).filter(({ schedule }) => schedule === name);
      for (const { name: snapshot } of surplus(own, keep)) {
        if (inUse({ vlun, snapshot })) continue;
        await pool.deleteSnapshot({ vlun, snapshot });
        log.info('snapshot deleted by schedule', { event: 'snapshot-deleted', lun: vlun, snapshot });
      }
    }
  }
}

function lastMs({ setAtMs, lastRunMs = 0 }: Schedule): number {
  return Math.max(setAtMs, lastRunMs);
}

/** The first moment after its last run. */
function dueMs(schedule: Schedule): number {
  return nextDue(schedule.when, lastMs(schedule));
}

function sortKey({ luns, name }: Schedule): string {
  return `${luns.join(',')} ${name}`;
}

function sameLuns(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((lun, at) => lun === other[at]);
}

function freeDocument(taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) {
    const document = `${SCHEDULE_DOCUMENTS}${number}`;
    if (!taken.has(document)) return document;
  }
}

type Rule = Pick<Schedule, 'when' | 'keep'>;

function sameRule(one: Rule, other: Rule): boolean {
  const words = ({ when, keep }: Rule): string => JSON.stringify([when, Object.entries(keep).sort()]);
  return words(one) === words(other);
}

function sameSchedule(one: Pick<Schedule, 'name' | 'luns'>, other: Pick<Schedule, 'name' | 'luns'>): boolean {
  return one.name === other.name && sameLuns(one.luns, other.luns);
}
