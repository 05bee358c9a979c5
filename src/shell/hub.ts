/**
 * Where the connections of the server meet: sessions by TSIH, reinstatement, task management that
 * reaches other sessions, and what every session of a target must hear.
 */
import { encodeLun } from 'node-iscsi-pdu';
import type { Fact, SessionFacts, TaskManagementResponse } from '../../protocol/iscsi/effects.ts';
import type { DeviceServer } from '../../protocol/scsi/device-server.ts';
import type { AbortRequest, AsyncEvent, Nexus } from '../../protocol/scsi/target.ts';
import type { Clock } from '../clock.ts';
import type { Target } from '../targets/targets.ts';
import { Backlog } from './backlog.ts';
import { BufferPool } from './buffer-pool.ts';
import type { Connection, ConnectionHost, ManageTasks } from './connection.ts';
import { Contention } from './contention.ts';
import { TurnBudget } from './turn-budget.ts';

export interface HubOptions {
  readonly clock: Clock;
  /** The target by its name; a session was let in, so it exists. */
  readonly target: (name: string) => Target | undefined;
  readonly onFact: (connection: Connection, fact: Fact) => void;
}

/** A session as the operator sees it. */
export interface OpenSession {
  readonly facts: SessionFacts;
  readonly connection: Connection;
  readonly sinceMs: number;
}

/** What must happen when the aborted tasks of several sessions have all ended. */
interface Clearing {
  readonly waitingFor: Set<Connection>;
  /** Those that had such tasks. */
  readonly affected: Connection[];
  readonly done: (affected: readonly Connection[]) => void;
}

/** A connection and the LUNs whose tasks are to end there. */
interface Victim {
  readonly connection: Connection;
  readonly luns: readonly Uint8Array[];
}

export class Hub implements ConnectionHost {
  readonly buffers = new BufferPool();
  readonly contention = new Contention();
  readonly backlog: Backlog;
  readonly turns: TurnBudget;
  readonly #options: HubOptions;
  readonly #connections = new Set<Connection>();
  readonly #sessions = new Map<number, OpenSession>();
  readonly #clearings = new Map<number, Clearing>();
  /** Connections that wait for a session to end before theirs begins, by its TSIH. */
  readonly #replacing = new Map<number, Connection[]>();
  #lastClearing = 0;

  constructor(options: HubOptions) {
    this.#options = options;
    this.backlog = new Backlog(options.clock);
    this.turns = new TurnBudget(options.clock);
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
  }

  connections(): readonly Connection[] {
    return [...this.#connections];
  }

  sessions(): readonly OpenSession[] {
    return [...this.#sessions.values()];
  }

  sessionsOf(targetName: string): readonly OpenSession[] {
    return this.sessions().filter((session) => session.facts.targetName === targetName);
  }

  sessionOpened(connection: Connection, session: SessionFacts): Nexus | undefined {
    this.#sessions.set(session.tsih, { facts: session, connection, sinceMs: this.#options.clock.nowMs() });
    const target = session.targetName === undefined ? undefined : this.#options.target(session.targetName);
    return target?.scsi.openNexus(
      { portName: initiatorPortName(session), deviceName: session.initiatorName },
      {
        sees: (lun) => target.shows(session.initiatorName, lun),
        portalGroupTag: session.portalGroupTag,
      },
    );
  }

  sessionClosed(_connection: Connection, session: SessionFacts): void {
    this.#sessions.delete(session.tsih);
    const waiting = this.#replacing.get(session.tsih);
    this.#replacing.delete(session.tsih);
    for (const asker of waiting ?? []) asker.feed({ type: 'sessionReplaced' });
  }

  replaceSession(asker: Connection, tsih: number): void {
    const old = this.#sessions.get(tsih);
    if (old === undefined) {
      asker.feed({ type: 'sessionReplaced' });
      return;
    }
    const waiting = this.#replacing.get(tsih);
    if (waiting === undefined) this.#replacing.set(tsih, [asker]);
    else waiting.push(asker);
    old.connection.feed({ type: 'drop', why: 'the initiator logged in again (session reinstatement)' });
  }

  manageTasks(asker: Connection, request: ManageTasks): void {
    const target = this.#targetOf(asker);
    const nexus = asker.nexus;
    const answer = (response: TaskManagementResponse): void =>
      asker.feed({ type: 'taskManagementDone', request: request.request, response });
    if (target === undefined || nexus === undefined) {
      answer('lun-does-not-exist');
      return;
    }
    const { function: asked, lun } = request;
    const unit = nexus.serverAt(lun);
    const wholeTarget = asked === 'target-warm-reset' || asked === 'target-cold-reset';
    if (!wholeTarget && unit === undefined) answer('lun-does-not-exist');
    else if (asked === 'abort-task-set') answer('complete');
    else if (asked === 'target-cold-reset' && target.isMasked(nexus.state.initiator.deviceName)) {
      // It would end the sessions of initiators on units that this one must not even know of.
      answer('not-authorized');
    } else {
      const units = wholeTarget || unit === undefined ? [...new Set(nexus.luns.values())] : [unit];
      this.#clear(this.#usersOf(units, asker), (affected) => {
        if (asked === 'clear-task-set') target.scsi.clearTaskSet(lun, nexus, nexusesOf(affected));
        else if (asked === 'lun-reset') target.scsi.resetLun(lun, nexus);
        else target.scsi.resetTarget(nexus);
        answer('complete');
        if (asked === 'target-cold-reset') this.#dropOthers(asker, target.name);
      });
    }
  }

  /** Connections other than the asker's whose nexus is shown one of the units, through whichever target. */
  #usersOf(units: readonly DeviceServer[], asker: Connection): Victim[] {
    const users: Victim[] = [];
    for (const { connection } of this.#sessions.values()) {
      const { nexus } = connection;
      if (connection === asker || nexus === undefined) continue;
      const luns = units.flatMap((unit) => nexus.lunsOf(unit));
      if (luns.length > 0) users.push({ connection, luns });
    }
    return users;
  }

  #dropOthers(asker: Connection, targetName: string): void {
    for (const { connection } of this.sessionsOf(targetName)) {
      if (connection !== asker) {
        connection.feed({ type: 'drop', why: 'target cold reset by another initiator' });
      }
    }
  }

  /** Ends tasks of other nexuses of one target, as PREEMPT AND ABORT asks (SPC-4 §5.13.11.2.6). */
  abortTasks(targetName: string, request: AbortRequest): Promise<void> {
    const victims = this.sessionsOf(targetName)
      .filter(({ connection: { nexus } }) => nexus !== undefined && request.nexuses.includes(nexus.state))
      .map(({ connection }) => ({ connection, luns: [request.lun] }));
    return new Promise((resolve) => this.#clear(victims, () => resolve()));
  }

  tasksCleared(connection: Connection, id: number, aborted: number): void {
    const clearing = this.#clearings.get(id);
    if (clearing === undefined) return;
    if (aborted > 0) clearing.affected.push(connection);
    clearing.waitingFor.delete(connection);
    if (clearing.waitingFor.size > 0) return;
    this.#clearings.delete(id);
    clearing.done(clearing.affected);
  }

  note(connection: Connection, fact: Fact): void {
    this.#options.onFact(connection, fact);
  }

  ended(connection: Connection): void {
    this.#connections.delete(connection);
    this.contention.forget(connection);
    for (const [id, clearing] of [...this.#clearings]) {
      if (clearing.waitingFor.has(connection) && connection.session === undefined)
        this.tasksCleared(connection, id, 0);
    }
  }

  /**
   * Sends an Asynchronous Message (RFC 7143 §11.9.1, event 0) to every session of a target that it
   * concerns.
   */
  announce(targetName: string, { sense, lun, concerns }: AsyncEvent): void {
    for (const { connection } of this.sessionsOf(targetName)) {
      const { nexus } = connection;
      if (nexus === undefined || !concerns(nexus)) continue;
      connection.feed({ type: 'asyncMessage', sense, lun: encodeLun(lun) });
    }
  }

  #targetOf(connection: Connection): Target | undefined {
    const name = connection.session?.targetName;
    return name === undefined ? undefined : this.#options.target(name);
  }

  #clear(victims: readonly Victim[], done: Clearing['done']): void {
    if (victims.length === 0) {
      done([]);
      return;
    }
    this.#lastClearing += 1;
    const id = this.#lastClearing;
    const waitingFor = new Set(victims.map(({ connection }) => connection));
    this.#clearings.set(id, { waitingFor, affected: [], done });
    for (const { connection, luns } of victims) connection.feed({ type: 'abortTasks', scope: { luns }, id });
  }
}

function nexusesOf(connections: readonly Connection[]): Nexus[] {
  return connections.flatMap(({ nexus }) => nexus ?? []);
}

/** The initiator port of a session: the device's name and the ISID (RFC 7143 §4.4.1, SPC-4 §7.6.4.5). */
function initiatorPortName(session: SessionFacts): string {
  return `${session.initiatorName},i,0x${Buffer.from(session.isid).toString('hex')}`;
}
