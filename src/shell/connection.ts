/**
 * One socket and its core. Bytes, ticks and finished tasks go in as events, effects come out and are
 * carried out in order. Events that arise while the core is at work wait until it has returned, so
 * the core is never entered twice, and a command whose data is cached runs from the received bytes
 * to the answer without a promise.
 */
import type { Socket } from 'node:net';
import type {
  ConnectionCore,
  ConnectionEvent,
  Effect,
  Fact,
  SessionFacts,
} from '../../protocol/iscsi/effects.ts';
import type { DeviceServer } from '../../protocol/scsi/device-server.ts';
import type { Nexus } from '../../protocol/scsi/target.ts';
import { trafficKind } from '../../protocol/scsi/traffic-kind.ts';
import type { Clock } from '../clock.ts';
import type { Backlog } from './backlog.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Contention } from './contention.ts';
import { Intake, type RunTask } from './intake.ts';
import { COPY_BYTES_MAX, Outbox } from './outbox.ts';
import type { Receiver } from './receiver.ts';
import type { TurnBudget } from './turn-budget.ts';

/** Unsent answers on one connection above which no more commands are read from it. */
const UNSENT_BYTES_MAX = 8 * 1024 * 1024;
/** Chunks received before their turn, above which no more is read. */
const LATE_CHUNKS_MAX = 4;
/** How long a peer may take to read the last bytes after we closed. */
const LINGER_MS = 2_000;

/** A command that ended, and what of it is counted. */
interface TaskEnded extends Extract<ConnectionEvent, { type: 'taskDone' }> {
  readonly scsi: RunTask['scsi'];
  readonly server: DeviceServer | undefined;
  /** When all of it had arrived. */
  readonly sinceUs: number;
  /** Its unit held it back, so that it did not count as under way. */
  readonly held: boolean;
}
/** Commands that waited for another turn of the loop may begin. */
interface Turn {
  readonly type: 'turn';
}
const TURN: Turn = { type: 'turn' };
type Event = Exclude<ConnectionEvent, { type: 'taskDone' }> | TaskEnded;
type Bytes = Extract<ConnectionEvent, { type: 'bytes' }>;
type CancelTask = Extract<Effect, { type: 'cancelTask' }>;
export type ManageTasks = Extract<Effect, { type: 'manageTasks' }>;

/** What a connection needs of the server around it. */
export interface ConnectionHost {
  /** Where the data-in of commands comes from, and goes back to once it is sent. */
  readonly buffers: BufferPool;
  readonly contention: Contention;
  readonly backlog: Backlog;
  readonly turns: TurnBudget;
  /** The nexus for a normal session; undefined for a discovery session. */
  sessionOpened(connection: Connection, session: SessionFacts): Nexus | undefined;
  sessionClosed(connection: Connection, session: SessionFacts, why: string): void;
  replaceSession(asker: Connection, tsih: number): void;
  manageTasks(asker: Connection, request: ManageTasks): void;
  tasksCleared(connection: Connection, id: number, aborted: number): void;
  note(connection: Connection, fact: Fact): void;
  /** The socket is gone; a session may still be ending. */
  ended(connection: Connection): void;
}

export class Connection {
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #core: ConnectionCore;
  readonly #host: ConnectionHost;
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  readonly #intake: Intake;
  readonly #waiting: (Event | Turn)[] = [];
  /** Received when it was not its turn; meanwhile nothing is read. */
  readonly #late: Bytes[] = [];
  /** At the present event. */
  #nowMs = 0;
  #busy = false;
  #flushPlanned = false;
  #paused = false;
  #ended = false;
  #nexus: Nexus | undefined;
  #session: SessionFacts | undefined;
  #wakeAtMs: number | undefined;
  #cancelWake: (() => void) | undefined;
  #cancelLinger: (() => void) | undefined;

  constructor(options: {
    readonly socket: Socket;
    /** Takes what comes in; without one the socket is listened to. */
    readonly receiver?: Receiver | undefined;
    readonly core: ConnectionCore;
    readonly host: ConnectionHost;
    readonly clock: Clock;
    readonly remoteAddress: string;
  }) {
    this.#socket = options.socket;
    this.#core = options.core;
    this.#host = options.host;
    this.#clock = options.clock;
    this.remoteAddress = options.remoteAddress;
    this.#outbox = new Outbox(options.socket);
    this.#intake = new Intake({
      begin: (command, sinceUs) => this.#begin(command, sinceUs),
      isShared: () => options.host.contention.isShared(this, this.#nowMs),
      planTurn: () => options.host.turns.wait(() => this.#feed(TURN)),
      backlog: options.host.backlog,
    });
    options.socket.setNoDelay(true);
    this.#listen(options);
    options.socket.on('drain', () => this.#resume());
    // A reset by the peer is an ordinary end of a connection; 'close' follows and tells the core.
    options.socket.on('error', (error) => this.#socketError(error));
    options.socket.on('close', () => this.#end());
    this.#planWake();
  }

  #listen({ socket, receiver }: { readonly socket: Socket; readonly receiver?: Receiver | undefined }): void {
    if (receiver === undefined) {
      socket.on('data', (chunk) => this.#received({ type: 'bytes', chunk: chunk as Buffer }));
    } else receiver.listen((chunk, memory) => this.#received({ type: 'bytes', chunk, memory }));
  }

  /** Whoever asks for much waits while too much is under way, or once a turn of the loop has done enough. */
  #received(bytes: Bytes): void {
    const waitsFor = this.#late.length === 0 ? this.#busyWith() : undefined;
    if (waitsFor === undefined && this.#late.length === 0) {
      this.feed(bytes);
      this.#pauseForOthers();
      return;
    }
    bytes.memory?.hold();
    this.#late.push(bytes);
    // A turn is short, and to stop reading for it costs more than it does.
    if (waitsFor === this.#host.backlog || this.#late.length === LATE_CHUNKS_MAX) this.#socket.pause();
    waitsFor?.wait(() => this.#goOn());
  }

  #busyWith(): Backlog | TurnBudget | undefined {
    const { backlog, turns } = this.#host;
    const nowMs = this.#clock.nowMs();
    if (!this.#intake.askedForMuch(nowMs)) return undefined;
    if (backlog.isFull) return backlog;
    return turns.isSpent(nowMs) ? turns : undefined;
  }

  /**
   * One read in a turn, beside somebody who asks for little: a socket that is full is read 32 times on end
   * otherwise, 8 MiB at 64 KiB a command.
   */
  #pauseForOthers(): void {
    const { contention } = this.#host;
    if (!contention.isShared(this, this.#nowMs) || !this.#intake.askedForMuch(this.#nowMs)) return;
    this.#socket.pause();
    this.#clock.after(0, () => this.#resumeReading());
  }

  #resumeReading(): void {
    if (!this.#paused && this.#late.length === 0) this.#socket.resume();
  }

  #goOn(): void {
    for (const bytes of this.#late.splice(0)) {
      if (!this.#ended) this.feed(bytes);
      bytes.memory?.release();
    }
    this.#resumeReading();
  }

  /** The session this connection carries, from its full feature phase to its end. */
  get session(): SessionFacts | undefined {
    return this.#session;
  }

  get nexus(): Nexus | undefined {
    return this.#nexus;
  }

  /** Feeds one event, now or after those that wait already. */
  feed(event: Event): void {
    this.#feed(event);
  }

  #feed(event: Event | Turn): void {
    this.#waiting.push(event);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#nowMs = this.#clock.nowMs();
        if (next.type === 'turn') this.#intake.turn();
        else this.#handle(next);
      }
    } finally {
      this.#busy = false;
    }
    this.#planWake();
    this.#planFlush();
  }

  #handle(event: Event): void {
    const cameIn = event.type === 'bytes';
    if (cameIn) this.#intake.arrived(event.chunk.byteLength);
    const effects = this.#core.handle(event, this.#nowMs);
    for (const effect of effects) this.#carryOut(effect);
    if (event.type === 'taskDone') this.#taskEnded(event);
    else if (cameIn && this.#intake.asksForLittle(this.#nowMs)) {
      this.#host.contention.note(this, this.#nowMs);
    }
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        if (!this.#ended) this.#outbox.add(effect.pieces);
        return;
      case 'runTask':
        this.#intake.offer(effect, microseconds(this.#nowMs));
        return;
      case 'cancelTask':
        this.#cancelTask(effect);
        return;
      case 'manageTasks':
        this.#host.manageTasks(this, effect);
        return;
      case 'tasksCleared':
        this.#host.tasksCleared(this, effect.id, effect.aborted);
        return;
      case 'sessionOpened':
        this.#session = effect.session;
        this.#nexus = this.#host.sessionOpened(this, effect.session);
        return;
      case 'replaceSession':
        this.#host.replaceSession(this, effect.tsih);
        return;
      case 'sessionClosed':
        this.#sessionClosed(effect.session, effect.why);
        return;
      case 'close':
        this.#close();
        return;
      case 'note':
        this.#host.note(this, effect.fact);
        return;
      default:
        effect satisfies never;
    }
  }

  #taskEnded({ scsi, result, server, sinceUs, held }: TaskEnded): void {
    const elapsedUs = (microseconds(this.#nowMs) - sinceUs) | 0;
    const kind = trafficKind(scsi.cdb);
    server?.traffic.count(kind, result, elapsedUs);
    this.#nexus?.traffic.count(kind, result, elapsedUs);
    if (result.dataIn !== undefined) this.#dataSent(result.dataIn);
    if (!held) this.#intake.ended(scsi);
  }

  /** The answer was made in the same turn. What the outbox copies is not read again, the rest once sent. */
  #dataSent(dataIn: Uint8Array): void {
    const { buffers } = this.#host;
    if (dataIn.byteLength <= COPY_BYTES_MAX) buffers.giveBack(dataIn);
    else if (!this.#ended) this.#outbox.afterwards(() => buffers.giveBack(dataIn));
  }

  /** A command that the limits of its unit hold back is none of those that are under way. */
  #begin({ task, scsi }: RunTask, sinceUs: number): boolean {
    const nexus = this.#nexus;
    if (nexus === undefined) {
      this.feed({ type: 'taskCancelled', task });
      return false;
    }
    let held = false;
    held = !nexus.execute(scsi, (result, server) =>
      this.feed({ type: 'taskDone', task, result, scsi, server, sinceUs, held }),
    );
    return !held;
  }

  #cancelTask({ task, scsi }: CancelTask): void {
    const cancelled = this.#intake.cancel(task) || this.#nexus?.cancelHeld(scsi.lun, scsi.tag) === true;
    if (cancelled) this.feed({ type: 'taskCancelled', task });
    else if (this.#nexus?.cancel(scsi.lun, scsi.tag) === true) {
      this.#intake.ended(scsi);
      this.feed({ type: 'taskCancelled', task });
    }
  }

  #sessionClosed(session: SessionFacts, why: string): void {
    this.#nexus?.close();
    this.#nexus = undefined;
    this.#session = undefined;
    this.#host.sessionClosed(this, session, why);
  }

  #close(): void {
    if (this.#ended) return;
    this.#outbox.flush();
    this.#socket.end();
    this.#cancelLinger = this.#clock.after(LINGER_MS, () => this.#socket.destroy());
  }

  #socketError(error: Error): void {
    this.#host.note(this, { kind: 'session-closed', message: `the connection broke: ${error.message}` });
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelLinger?.();
    this.feed({ type: 'closed' });
    this.#intake.retire();
    this.#host.ended(this);
  }

  #planFlush(): void {
    if (this.#flushPlanned || this.#ended || this.#outbox.isEmpty) return;
    this.#flushPlanned = true;
    this.#clock.defer(() => this.#flush());
  }

  #flush(): void {
    this.#flushPlanned = false;
    if (this.#ended || !this.#socket.writable) return;
    this.#outbox.flush();
    if (this.#socket.writableLength > UNSENT_BYTES_MAX && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#resumeReading();
  }

  /** One timer, armed again only when the core wants to be woken earlier than it was set for. */
  #planWake(): void {
    const wakeAtMs = this.#core.wakeAtMs();
    if (wakeAtMs === undefined) {
      this.#cancelWake?.();
      this.#cancelWake = undefined;
      this.#wakeAtMs = undefined;
      return;
    }
    if (this.#wakeAtMs !== undefined && this.#wakeAtMs <= wakeAtMs) return;
    this.#cancelWake?.();
    this.#wakeAtMs = wakeAtMs;
    this.#cancelWake = this.#clock.after(Math.max(0, wakeAtMs - this.#clock.nowMs()), () => {
      this.#wakeAtMs = undefined;
      this.feed({ type: 'tick' });
    });
  }
}

/**
 * In 32 bits: a small integer, which costs no memory. Wraps every 71 minutes; differences of less than half
 * of that are right.
 */
function microseconds(ms: number): number {
  return (ms * 1000) | 0;
}
