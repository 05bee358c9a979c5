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
  #started = false;
  #pending: PendingLogin | undefined;
  #lastAnswer: LoginAnswer = EMPTY_ANSWER;
  #lastRequest: LoginRequest | undefined;

  constructor(options: LoginDriverOptions) {
    this.#options = options;
    this.#wire = options.wire;
    const { connection, limits, preferences } = options;
    this.#login = new Login({ ...connection, limits, preferences });
  }

  /** The login waits for the session it replaces to end. */
  get waiting(): boolean {
    return this.#pending !== undefined;
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
    this.#take(request, this.#login.request(request, frame.data));
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
    const details = { status, ...(initiator === undefined ? {} : { initiator }) };
    this.#wire.note(denied ? 'authentication-failed' : 'login-refused', why, details);
    if (this.#lastRequest !== undefined) this.#send(this.#lastRequest, EMPTY_ANSWER, { status });
    this.#options.onFailed(why);
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
