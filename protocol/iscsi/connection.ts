/**
 * One connection of the target: bytes and time in, effects out. The states and their transitions are
 * the table of states.ts; login.ts and full-feature.ts do the work of the two phases; this file feeds them
 * frames, keeps the deadlines, and turns every failure into an answer, so that `handle` is total.
 */
import {
  type Crc32c,
  Deframer,
  FRESH_BUFFERS,
  type Frame,
  LoginStatus,
  type LogoutRequest,
  LogoutResponseCode,
  PduError,
  type ReceivedMemory,
  RejectReason,
  crc32c as tableCrc32c,
} from 'node-iscsi-pdu';
import { CommandWindow } from './command-window.ts';
import type { ConnectionCore, ConnectionEvent, Effect, SessionFacts } from './effects.ts';
import { IscsiPeerError, rejectReasonOf } from './errors.ts';
import { FullFeature } from './full-feature.ts';
import { Keepalive } from './keepalive.ts';
import { DEFAULT_LIMITS, DEFAULT_PREFERENCES, type Limits, type Preferences } from './limits.ts';
import { type EstablishedLogin, LoginDriver } from './login-driver.ts';
import type { ConnectionOptions } from './options.ts';
import { type ConnectionSignal, type ConnectionState, nextState } from './states.ts';
import type { Held } from './task-table.ts';
import { Wire } from './wire.ts';

/** A connection whose transport has just come up. */
export function createConnection(options: ConnectionOptions): ConnectionCore {
  return new Connection(options);
}

class Connection implements ConnectionCore {
  readonly #options: ConnectionOptions;
  readonly #limits: Limits;
  readonly #preferences: Preferences;
  readonly #window = new CommandWindow<Held>();
  readonly #wire: Wire;
  readonly #deframer: Deframer;
  readonly #login: LoginDriver;
  #state: ConnectionState = nextState('FREE', 'transportUp');
  #nowMs: number;
  /** The login, or the logout under way, must be over by then. */
  #deadlineMs: number | undefined;
  #keepalive: Keepalive | undefined;
  #session: FullFeature | undefined;
  #facts: SessionFacts | undefined;
  #logout: LogoutRequest | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#preferences = { ...DEFAULT_PREFERENCES, ...options.preferences };
    this.#nowMs = options.nowMs;
    this.#deadlineMs = options.nowMs + this.#limits.loginTimeoutMs;
    const crc32c: Crc32c = options.crc32c ?? tableCrc32c;
    this.#wire = new Wire(this.#window, { crc32c, factsPerKindMax: this.#limits.factsPerKindMax });
    this.#deframer = new Deframer({
      maxDataSegmentLength: this.#limits.loginDataSegmentBytesMax,
      crc32c,
      buffers: options.buffers ?? FRESH_BUFFERS,
    });
    this.#login = new LoginDriver({
      ...{ connection: options, limits: this.#limits, preferences: this.#preferences },
      ...{ wire: this.#wire, window: this.#window, nowMs: () => this.#nowMs },
      onStarted: () => this.#signal('loginStarted'),
      onEstablished: (login) => this.#openSession(login),
      onFailed: (why) => this.#end(this.#state === 'IN_LOGIN' ? 'loginFailed' : 'dropped', why),
    });
  }

  get load(): { gatheringBytes: number; runningTasks: number } {
    const tasks = this.#session?.tasks;
    return { gatheringBytes: tasks?.gatheringBytes ?? 0, runningTasks: tasks?.runningTasks ?? 0 };
  }

  wakeAtMs(): number | undefined {
    const due = this.#serving ? this.#keepalive?.dueMs : this.#login.heldUntilMs;
    if (this.#deadlineMs === undefined) return due;
    return due === undefined ? this.#deadlineMs : Math.min(due, this.#deadlineMs);
  }

  handle(event: ConnectionEvent, nowMs: number): readonly Effect[] {
    this.#nowMs = nowMs;
    try {
      this.#dispatch(event);
    } catch (error) {
      this.#breakDown(error);
    }
    return this.#wire.takeEffects();
  }

  #dispatch(event: ConnectionEvent): void {
    switch (event.type) {
      case 'bytes':
        this.#receive(event.chunk, event.memory);
        return;
      case 'taskDone':
        this.#session?.tasks.done(event.task, event.result);
        return;
      case 'taskCancelled':
        this.#session?.tasks.cancelled(event.task);
        return;
      case 'tick':
        this.#tick();
        return;
      case 'closed':
        this.#lose();
        return;
      case 'drop':
        this.#end('dropped', event.why);
        return;
      case 'abortTasks':
        this.#abortTasks(event);
        return;
      case 'taskManagementDone':
        this.#session?.taskManagementDone(event.request, event.response);
        return;
      case 'sessionReplaced':
        this.#login.resume();
        this.#readFrames();
        return;
      case 'asyncMessage':
        if (this.#serving && this.#facts?.kind === 'normal')
          this.#session?.reportSense(event.sense, event.lun);
        return;
      case 'askLogout':
        this.#askLogout(event.withinMs);
        return;
      default:
        event satisfies never;
    }
  }

  /** An assertion of ours failed: this connection ends, others are not touched. */
  #breakDown(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#wire.note('internal-error', message, error instanceof Error ? { stack: error.stack ?? '' } : {});
    try {
      this.#end('dropped', 'internal error');
    } catch (again) {
      const cause = again instanceof Error ? again.message : String(again);
      this.#wire.note('internal-error', `while ending the connection: ${cause}`);
      this.#state = 'FREE';
      this.#wire.close('internal error');
    }
  }

  get #serving(): boolean {
    return this.#state === 'LOGGED_IN' || this.#state === 'LOGOUT_REQUESTED';
  }

  get #loggingIn(): boolean {
    return this.#state === 'XPT_UP' || this.#state === 'IN_LOGIN';
  }

  #signal(signal: ConnectionSignal): void {
    this.#state = nextState(this.#state, signal);
  }

  #receive(chunk: Uint8Array, memory: ReceivedMemory | undefined): void {
    if (!this.#serving && !this.#loggingIn) return;
    this.#keepalive?.heard(this.#nowMs);
    this.#deframer.push(chunk, memory);
    this.#readFrames();
    // Nothing is due from an initiator that waits for its last Login Response.
    if (this.#login.waiting && this.#deframer.bufferedBytes > this.#limits.loginDataSegmentBytesMax) {
      this.#login.refuse(LoginStatus.INITIATOR_ERROR, 'PDUs were sent before the login was answered');
    }
  }

  #readFrames(): void {
    while ((this.#serving || this.#loggingIn) && !this.#login.waiting) {
      let frame: Frame | undefined;
      try {
        frame = this.#deframer.next();
        if (frame === undefined) return;
        if (this.#session === undefined) this.#login.receive(frame);
        else this.#session.receive(frame);
      } catch (error) {
        this.#answerFailure(error, frame);
      }
    }
  }

  /** The one place where what the peer did wrong becomes an answer. Anything else is ours, and goes on. */
  #answerFailure(error: unknown, frame: Frame | undefined): void {
    if (!(error instanceof IscsiPeerError || error instanceof PduError)) throw error;
    if (this.#loggingIn) {
      this.#login.refuse(loginStatusOf(error), error.message);
      return;
    }
    const reason = rejectReasonOf(error);
    const digest = error instanceof PduError && error.kind === 'header-digest';
    this.#wire.note(digest ? 'digest-error' : 'protocol-error', error.message);
    if (reason !== undefined && frame !== undefined) {
      this.#wire.reject(reason, frame.bhs);
      return;
    }
    if (error instanceof PduError && error.kind === 'too-large' && error.bhs !== undefined) {
      this.#wire.reject(RejectReason.PROTOCOL_ERROR, error.bhs);
    }
    this.#end('dropped', error.message);
  }

  #openSession({ request, facts }: EstablishedLogin): void {
    this.#facts = facts;
    this.#signal('loginDone');
    this.#deadlineMs = undefined;
    const { keepaliveAfterMs, keepaliveTimeoutMs } = this.#limits;
    const keepalive = { afterMs: keepaliveAfterMs, timeoutMs: keepaliveTimeoutMs };
    this.#keepalive = new Keepalive(keepalive, this.#nowMs);
    const { negotiation } = this.#login;
    this.#session = new FullFeature({
      ...{ wire: this.#wire, window: this.#window, limits: this.#limits, connection: this.#options },
      ...{ session: facts, negotiation },
      isServing: () => this.#serving,
      onLogout: (logout) => this.#beginLogout(logout),
      onTaskEnded: () => this.#taskEnded(),
      onColdReset: () => this.#end('dropped', 'target cold reset'),
    });
    this.#wire.emit({ type: 'sessionOpened', session: facts });
    this.#login.sendLast(request, facts.tsih);
    const { HeaderDigest, DataDigest } = negotiation.parameters();
    const digests = { header: HeaderDigest === 'CRC32C', data: DataDigest === 'CRC32C' };
    this.#wire.setDigests(digests);
    this.#deframer.setDigests(digests);
    this.#deframer.setMaxDataSegmentLength(this.#preferences.maxRecvDataSegmentLength);
  }

  /**
   * Commands in the hands of SCSI end with their responses before the logout is answered; others are
   * dropped.
   */
  #beginLogout(request: LogoutRequest): void {
    this.#signal('logoutReceived');
    this.#logout = request;
    this.#deadlineMs = this.#nowMs + this.#limits.logoutTimeoutMs;
    this.#session?.tasks.abort(
      (task) => task.phase === 'gathering',
      () => undefined,
    );
    this.#finishLogout();
  }

  #finishLogout(force = false): void {
    const session = this.#session;
    if (this.#logout === undefined || session === undefined || this.#state !== 'IN_LOGOUT') return;
    if (session.tasks.size > 0 && !force) return;
    session.answerLogout(this.#logout, LogoutResponseCode.CLOSED);
    this.#end('logoutDone', 'logout');
  }

  #taskEnded(): void {
    if (this.#state === 'IN_LOGOUT') this.#finishLogout();
  }

  #askLogout(withinMs: number): void {
    if (this.#state === 'LOGGED_IN' && this.#facts?.kind === 'normal') {
      this.#signal('logoutAsked');
      this.#session?.askLogout(withinMs);
      this.#deadlineMs = this.#nowMs + withinMs;
    } else if (this.#loggingIn || this.#state === 'LOGGED_IN') this.#end('dropped', 'the server stops');
  }

  #abortTasks({ scope, id }: Extract<ConnectionEvent, { type: 'abortTasks' }>): void {
    if (this.#session === undefined) this.#wire.emit({ type: 'tasksCleared', id, aborted: 0 });
    else this.#session.abortTasks(scope, id);
  }

  #tick(): void {
    if (this.#deadlineMs !== undefined && this.#nowMs >= this.#deadlineMs) {
      this.#passDeadline();
      return;
    }
    if (this.#loggingIn) this.#releaseLogin();
    const session = this.#session;
    if (!this.#serving || session === undefined) return;
    const found = this.#keepalive?.tick(this.#nowMs, session.tasks.runningTasks > 0);
    if (found === 'ask' && this.#facts?.kind === 'normal') session.ping();
    else if (found === 'dead') {
      this.#wire.note('timed-out', 'the initiator is silent');
      this.#end('dropped', 'the initiator is silent');
    }
  }

  #releaseLogin(): void {
    try {
      this.#login.release();
    } catch (error) {
      this.#answerFailure(error, undefined);
    }
    this.#readFrames();
  }

  #passDeadline(): void {
    this.#deadlineMs = undefined;
    if (this.#state === 'IN_LOGOUT') {
      this.#finishLogout(true);
      return;
    }
    if (!this.#serving && !this.#loggingIn) return;
    const why = this.#loggingIn ? 'the login took too long' : 'the initiator did not log out';
    this.#wire.note('timed-out', why);
    this.#end('dropped', why);
  }

  #lose(): void {
    this.#end('transportLost', 'the transport is gone');
  }

  /** Leaves by `signal`, once; the session ends when SCSI is through with the last of its tasks. */
  #end(signal: ConnectionSignal, why: string): void {
    if (this.#state === 'FREE' || this.#state === 'CLEANUP_WAIT') return;
    this.#signal(signal);
    this.#deadlineMs = undefined;
    this.#login.abandon();
    if (signal === 'transportLost') this.#wire.shut();
    else this.#wire.close(why);
    const facts = this.#facts;
    if (facts === undefined) return;
    this.#session?.tasks.abort(
      () => true,
      () => {
        this.#signal('cleanedUp');
        this.#options.registry.close(facts.tsih);
        this.#wire.emit({ type: 'sessionClosed', session: facts, why });
      },
    );
  }
}

function loginStatusOf(error: IscsiPeerError | PduError): LoginStatus {
  if (error instanceof IscsiPeerError && typeof error.answer === 'object' && 'login' in error.answer) {
    return error.answer.login;
  }
  return LoginStatus.INITIATOR_ERROR;
}
