/**
 * Carries the login phase over the wire: Login Requests in, Login Responses out, and the opening of
 * the session in the registry at its end. A session of the same initiator, ISID and target is
 * replaced first (RFC 7143 §6.3.5); until it has ended the last response is held back.
 */
import assert from 'node:assert';
import { type Frame, LoginRequest, LoginResponse, LoginStatus, Opcode } from 'node-iscsi-pdu';
import type { CommandWindow } from './command-window.ts';
import type { SessionFacts } from './effects.ts';
import { IscsiPeerError } from './errors.ts';
import type { Limits, Preferences } from './limits.ts';
import { Login, type LoginAnswer, type LoginStep } from './login.ts';
import { LoginGuard } from './login-guard.ts';
import { describeParameters, type Negotiation } from './negotiate.ts';
import type { ConnectionOptions } from './options.ts';
import type { SessionIdentity } from './session-registry.ts';
import type { Held } from './task-table.ts';
import type { Wire } from './wire.ts';

/** The session is open; its last Login Response is due once everything stands for it. */
export interface EstablishedLogin {
  readonly request: LoginRequest;
  readonly facts: SessionFacts;
}

export interface LoginDriverOptions {
  readonly connection: ConnectionOptions;
  readonly limits: Limits;
  readonly preferences: Preferences;
  readonly wire: Wire;
  readonly window: CommandWindow<Held>;
  readonly nowMs: () => number;
  /** The first Login Request came. */
  readonly onStarted: () => void;
  readonly onEstablished: (login: EstablishedLogin) => void;
  /** The login is over without a session; the connection is to be closed. */
  readonly onFailed: (why: string) => void;
}

/** Everything but the last Login Response. */
interface PendingLogin {
  readonly request: LoginRequest;
  readonly answer: LoginAnswer;
}

const EMPTY_ANSWER: LoginAnswer = { transit: false, continues: false, data: new Uint8Array(0) };

export class LoginDriver {
  readonly #options: LoginDriverOptions;
  readonly #wire: Wire;
  readonly #login: Login;
  readonly #guard: LoginGuard;
  #started = false;
  #pending: PendingLogin | undefined;
  #lastAnswer: LoginAnswer = EMPTY_ANSWER;
  #lastRequest: LoginRequest | undefined;
  /** Its proof was let through to be looked at. */
  #admitted = false;
  /** A proof that waits for that. */
  #held: { readonly frame: Frame; readonly untilMs: number } | undefined;

  constructor(options: LoginDriverOptions) {
    this.#options = options;
    this.#wire = options.wire;
    const { connection, limits, preferences } = options;
    this.#guard = connection.guard ?? new LoginGuard();
    this.#login = new Login({ ...connection, guard: this.#guard, limits, preferences });
  }

  /** The login waits for the session it replaces to end, or for its proof to be looked at. */
  get waiting(): boolean {
    return this.#pending !== undefined || this.#held !== undefined;
  }

  /** When `release` is due. */
  get heldUntilMs(): number | undefined {
    return this.#held?.untilMs;
  }

  get negotiation(): Negotiation {
    return this.#login.negotiation;
  }

  /** Takes one PDU. Throws IscsiPeerError or PduError, which `refuse` answers. */
  receive(frame: Frame): void {
    if (frame.opcode !== Opcode.LOGIN_REQUEST) {
      const why = `opcode ${frame.opcode} before the login was done`;
      throw new IscsiPeerError(why, this.#started ? { login: LoginStatus.INVALID_DURING_LOGIN } : 'drop');
    }
    const request = LoginRequest.decode(frame.bhs);
    this.#lastRequest = request;
    if (!this.#started) {
      this.#started = true;
      this.#options.onStarted();
      this.#options.window.open(request.cmdSN, this.#options.limits.queuedCommandsMax);
      this.#wire.setStatSN(request.expStatSN);
    }
    if (!this.#mustWait(frame)) this.#take(request, this.#login.request(request, frame.data));
  }

  /** Whether a proof has to wait because others from its address were wrong. */
  #mustWait(frame: Frame): boolean {
    if (this.#admitted || !this.#login.awaitsProof) return false;
    this.#admitted = true;
    const nowMs = this.#options.nowMs();
    const waitMs = this.#guard.admit(this.#options.connection.remoteAddress, nowMs);
    if (waitMs === undefined) {
      const why = 'too many logins from there have failed';
      throw new IscsiPeerError(why, { login: LoginStatus.SERVICE_UNAVAILABLE });
    }
    if (waitMs === 0) return false;
    const copy = { bhs: frame.bhs.slice(), data: frame.data.slice(), memory: undefined };
    this.#held = { frame: { ...frame, ...copy }, untilMs: nowMs + waitMs };
    return true;
  }

  /** Looks at the proof that waited, when its time has come. Throws as `receive` does. */
  release(): void {
    const held = this.#held;
    if (held === undefined || this.#options.nowMs() < held.untilMs) return;
    this.#held = undefined;
    this.receive(held.frame);
  }

  #take(request: LoginRequest, step: LoginStep): void {
    switch (step.kind) {
      case 'respond':
        this.#send(request, step.answer);
        break;
      case 'redirect':
        this.#send(request, step.answer, { status: step.status });
        this.#options.onFailed('the target is elsewhere');
        break;
      case 'establish':
        this.#establish({ request, answer: step.answer });
        break;
      default:
        step satisfies never;
    }
  }

  #send(
    request: LoginRequest,
    { transit, continues, data }: LoginAnswer,
    outcome: { readonly tsih?: number; readonly status?: LoginStatus } = {},
  ): void {
    const { csg, isid, initiatorTaskTag } = request;
    const { tsih = request.tsih, status = LoginStatus.SUCCESS } = outcome;
    const nsg = transit ? request.nsg : 0;
    const fields = { transit, continue: continues, csg, nsg, isid, tsih, initiatorTaskTag, status };
    this.#wire.send(LoginResponse, fields, { data });
  }

  /** Ends the login with a status; before the first Login Request there is nothing to answer. */
  refuse(status: LoginStatus, why: string): void {
    const denied = status === LoginStatus.AUTHENTICATION_FAILURE;
    const initiator = this.#login.identity?.initiatorName;
    const failures = denied && this.#admitted ? this.#countFailure() : undefined;
    const details = {
      status,
      ...(initiator === undefined ? {} : { initiator }),
      ...(failures === undefined ? {} : { failuresOfAddress: failures }),
    };
    this.#wire.note(denied ? 'authentication-failed' : 'login-refused', why, details);
    if (this.#lastRequest !== undefined) this.#send(this.#lastRequest, EMPTY_ANSWER, { status });
    this.#options.onFailed(why);
  }

  #countFailure(): number {
    return this.#guard.failed(this.#options.connection.remoteAddress, this.#options.nowMs());
  }

  #establish(pending: PendingLogin): void {
    const identity = this.#identity(pending.request);
    const { registry } = this.#options.connection;
    const replaced = registry.find(identity);
    if (replaced !== undefined) {
      this.#pending = pending;
      this.#wire.note('session-reinstated', 'a new session replaces an older one', { tsih: replaced });
      this.#wire.emit({ type: 'replaceSession', tsih: replaced });
      return;
    }
    this.#pending = undefined;
    const tsih = registry.open(identity);
    if (typeof tsih === 'number') {
      this.#lastAnswer = pending.answer;
      this.#options.onEstablished({
        request: pending.request,
        facts: this.#describe(pending.request, identity, tsih),
      });
      return;
    }
    const status = tsih === 'too-many' ? LoginStatus.OUT_OF_RESOURCES : LoginStatus.SERVICE_UNAVAILABLE;
    this.#wire.note('limit-reached', `no session for the initiator: ${tsih}`);
    this.#send(pending.request, EMPTY_ANSWER, { status });
    this.#options.onFailed(`no session: ${tsih}`);
  }

  /** The session that was in the way has ended. */
  resume(): void {
    if (this.#pending !== undefined) this.#establish(this.#pending);
  }

  /** The connection has ended: a login that waited for its session must not open one any more. */
  abandon(): void {
    this.#pending = undefined;
    this.#held = undefined;
    this.#login.end();
  }

  /** Sends the last response, with the TSIH of the new session (RFC 7143 §11.13.3). */
  sendLast(request: LoginRequest, tsih: number): void {
    this.#send(request, this.#lastAnswer, { tsih });
  }

  #identity(request: LoginRequest): SessionIdentity {
    const { identity } = this.#login;
    assert(identity !== undefined, 'a login ends with an identity');
    return { ...identity, isid: request.isid };
  }

  #describe(request: LoginRequest, identity: SessionIdentity, tsih: number): SessionFacts {
    const { initiatorName, targetName, portalGroupTag } = identity;
    const { localAddress, remoteAddress } = this.#options.connection;
    return {
      kind: targetName === undefined ? 'discovery' : 'normal',
      ...{ initiatorName, targetName, portalGroupTag, tsih, localAddress, remoteAddress },
      initiatorAlias: this.#login.initiatorAlias,
      isid: request.isid.slice(),
      cid: request.cid,
      userName: this.#login.userName,
      parameters: describeParameters(this.#login.negotiation.parameters()),
    };
  }
}
