/**
 * Where the connections of the server meet: sessions by TSIH, reinstatement, task management that
 * reaches other sessions, and what every session of a target must hear.
 */
import type { Fact, SessionFacts } from '../../protocol/iscsi/effects.ts';
import type { AbortRequest, Nexus } from '../../protocol/scsi/target.ts';
import type { Clock } from '../clock.ts';
import type { Target } from '../targets/targets.ts';
import { BufferPool } from './buffer-pool.ts';
import type { Connection, ConnectionHost, ManageTasks } from './connection.ts';

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
  readonly done: () => void;
}

export class Hub implements ConnectionHost {
  readonly buffers = new BufferPool();
  readonly #options: HubOptions;
  readonly #connections = new Set<Connection>();
  readonly #sessions = new Map<number, OpenSession>();
  readonly #clearings = new Map<number, Clearing>();
  /** Connections that wait for a session to end before theirs begins, by its TSIH. */
  readonly #replacing = new Map<number, Connection[]>();
  #lastClearing = 0;

  constructor(options: HubOptions) {
    this.#options = options;
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
    return target?.scsi.openNexus({
      portName: initiatorPortName(session),
      deviceName: session.initiatorName,
    });
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
    const answer = (response: 'complete' | 'lun-does-not-exist'): void =>
      asker.feed({ type: 'taskManagementDone', request: request.request, response });
    if (target === undefined || nexus === undefined) {
      answer('lun-does-not-exist');
      return;
    }
    const ofUnit = !request.function.startsWith('target-');
    if (ofUnit && !target.scsi.hasLun(request.lun)) {
      answer('lun-does-not-exist');
      return;
    }
    if (request.function === 'abort-task-set') {
      answer('complete');
      return;
    }
    const others = this.#othersOf(asker, target.name);
    this.#clear(others, ofUnit ? request.lun : undefined, () => {
      if (request.function === 'clear-task-set') target.scsi.clearTaskSet(request.lun, nexus);
      else if (request.function === 'lun-reset') target.scsi.resetLun(request.lun, nexus);
      else target.scsi.resetTarget(nexus);
      answer('complete');
      if (request.function !== 'target-cold-reset') return;
      for (const other of others) other.feed({ type: 'drop', why: 'target cold reset by another initiator' });
    });
  }

  /** Ends tasks of other initiator ports on one target, as PREEMPT AND ABORT asks (SPC-4 §5.13.11.2.6). */
  abortTasks(targetName: string, request: AbortRequest): Promise<void> {
    const victims = this.sessionsOf(targetName)
      .filter((session) => request.initiatorPorts.includes(initiatorPortName(session.facts)))
      .map((session) => session.connection);
    return new Promise((resolve) => this.#clear(victims, request.lun, resolve));
  }

  tasksCleared(connection: Connection, id: number): void {
    const clearing = this.#clearings.get(id);
    if (clearing === undefined) return;
    clearing.waitingFor.delete(connection);
    if (clearing.waitingFor.size > 0) return;
    this.#clearings.delete(id);
    clearing.done();
  }

  note(connection: Connection, fact: Fact): void {
    this.#options.onFact(connection, fact);
  }

  ended(connection: Connection): void {
    this.#connections.delete(connection);
    for (const [id, clearing] of [...this.#clearings]) {
      if (clearing.waitingFor.has(connection) && connection.session === undefined)
        this.tasksCleared(connection, id);
    }
  }

  /**
   * Sends an Asynchronous Message with this sense to every session of a target (RFC 7143 §11.9.1, event 0).
   */
  announce(targetName: string, message: { readonly sense: Uint8Array; readonly lun: Uint8Array }): void {
    for (const { connection } of this.sessionsOf(targetName)) {
      connection.feed({ type: 'asyncMessage', sense: message.sense, lun: message.lun });
    }
  }

  #targetOf(connection: Connection): Target | undefined {
    const name = connection.session?.targetName;
    return name === undefined ? undefined : this.#options.target(name);
  }

  #othersOf(asker: Connection, targetName: string): readonly Connection[] {
    return this.sessionsOf(targetName)
      .map((session) => session.connection)
      .filter((connection) => connection !== asker);
  }

  #clear(connections: readonly Connection[], lun: Uint8Array | undefined, done: () => void): void {
    if (connections.length === 0) {
      done();
      return;
    }
    this.#lastClearing += 1;
    const id = this.#lastClearing;
    this.#clearings.set(id, { waitingFor: new Set(connections), done });
    for (const connection of connections) {
      connection.feed({ type: 'abortTasks', scope: lun === undefined ? {} : { lun }, id });
    }
  }
}

/** The initiator port of a session: the device's name and the ISID (RFC 7143 §4.4.1, SPC-4 §7.6.4.5). */
function initiatorPortName(session: SessionFacts): string {
  return `${session.initiatorName},i,0x${Buffer.from(session.isid).toString('hex')}`;
}
