/**
 * The login phase (RFC 7143 §6.3) as the target runs it: stages, their transitions, and text that may
 * be spread over several PDUs in both directions. One object serves one connection until the full
 * feature phase or a refusal, which is thrown as an IscsiPeerError with the login status.
 *
 * A request is taken whole (all its continuations) before anything is answered. The answers to it are
 * computed at once and sent in as many segments as they need, one for each further empty request;
 * the transition asked for is granted with the last of them.
 */
import {
  encodeTextSegments,
  ISCSI_VERSION,
  type LoginRequest,
  LoginStage,
  LoginStatus,
  parseList,
  TextCollector,
  type TextPair,
} from 'node-iscsi-pdu';
import { CHAP_BINARY_BYTES_MAX, ChapAuthenticator } from './chap.ts';
import type { TargetDirectory } from './directory.ts';
import type { Limits, Preferences } from './limits.ts';
import type { LoginGuard } from './login-guard.ts';
import { identify, type LoginIdentity, refuse } from './login-identity.ts';
import { Negotiation, type NegotiationStage } from './negotiate.ts';
import type { SessionRegistry } from './session-registry.ts';

/** What goes into one Login Response besides the numbers. */
export interface LoginAnswer {
  readonly transit: boolean;
  readonly continues: boolean;
  readonly data: Uint8Array;
}

export type LoginStep =
  | { readonly kind: 'respond'; readonly answer: LoginAnswer }
  /** The last response: it may be sent once the session is open. */
  | { readonly kind: 'establish'; readonly answer: LoginAnswer }
  | { readonly kind: 'redirect'; readonly status: LoginStatus; readonly answer: LoginAnswer };

export interface LoginOptions {
  readonly directory: TargetDirectory;
  readonly registry: SessionRegistry;
  readonly guard: LoginGuard;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly portalGroupTag: number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly limits: Limits;
  readonly preferences: Preferences;
}

const NO_TEXT: LoginAnswer = { transit: false, continues: false, data: new Uint8Array(0) };

/** Values are at most 255 bytes unless their key says otherwise (RFC 7143 §6.1); CHAP's binary ones do. */
function valueBytesMax(key: string): number {
  return key === 'CHAP_C' || key === 'CHAP_R' ? CHAP_BINARY_BYTES_MAX : 255;
}

export class Login {
  readonly #options: LoginOptions;
  readonly #collector: TextCollector;
  readonly #negotiation: Negotiation;
  #stage: LoginStage = LoginStage.SECURITY_NEGOTIATION;
  #first: LoginRequest | undefined;
  #requests = 0;
  #identity: LoginIdentity | undefined;
  #initiatorAlias: string | undefined;
  #chap: ChapAuthenticator | undefined;
  #methodChosen = false;
  #authenticated = false;
  #userName: string | undefined;
  #declaredOurs = false;
  /** Segments of an answer that are not sent yet. */
  #segments: Uint8Array[] = [];

  constructor(options: LoginOptions) {
    this.#options = options;
    this.#negotiation = new Negotiation(options.preferences);
    this.#collector = new TextCollector({ totalBytesMax: options.limits.textBytesMax, valueBytesMax });
  }

  get identity(): LoginIdentity | undefined {
    return this.#identity;
  }

  get initiatorAlias(): string | undefined {
    return this.#initiatorAlias;
  }

  get userName(): string | undefined {
    return this.#userName;
  }

  /** Goes on to serve declarations made in the full feature phase. */
  get negotiation(): Negotiation {
    return this.#negotiation;
  }

  /** What comes next is to prove who the initiator is. */
  get awaitsProof(): boolean {
    return this.#chap?.awaitsProof === true;
  }

  /** Nothing more will come. */
  end(): void {
    this.#chap?.end();
  }

  /** Takes one Login Request. */
  request(request: LoginRequest, data: Uint8Array): LoginStep {
    this.#requests += 1;
    if (this.#requests > this.#options.limits.loginRequestsMax) {
      throw refuse(LoginStatus.INITIATOR_ERROR, 'the login takes too many requests');
    }
    this.#checkHeader(request);
    if (this.#segments.length > 0) return this.#sendNextSegment(request, data);
    const pairs = this.#collector.add(data, request.continue);
    if (pairs === undefined) return { kind: 'respond', answer: NO_TEXT };
    return this.#takeText(request, pairs);
  }

  #checkHeader(request: LoginRequest): void {
    if (request.versionMin > ISCSI_VERSION) {
      throw refuse(LoginStatus.UNSUPPORTED_VERSION, `version ${request.versionMin} is asked for`);
    }
    const first = this.#first;
    if (first === undefined) {
      this.#first = { ...request, isid: request.isid.slice() };
      if (request.csg > LoginStage.OPERATIONAL_NEGOTIATION) {
        throw refuse(LoginStatus.INITIATOR_ERROR, `a login cannot begin in stage ${request.csg}`);
      }
      this.#stage = request.csg as LoginStage;
    } else if (!sameLogin(first, request)) {
      throw refuse(LoginStatus.INITIATOR_ERROR, 'ISID, TSIH, CID or task tag changed during the login');
    }
    if (request.csg !== this.#stage) {
      throw refuse(LoginStatus.INITIATOR_ERROR, `stage ${request.csg} is not the current one`);
    }
    if (!request.transit) return;
    const forward = request.nsg === LoginStage.FULL_FEATURE_PHASE || request.nsg === 1;
    if (request.continue || !forward || request.nsg <= request.csg) {
      throw refuse(LoginStatus.INITIATOR_ERROR, `no transition from stage ${request.csg} to ${request.nsg}`);
    }
  }

  #takeText(request: LoginRequest, pairs: readonly TextPair[]): LoginStep {
    const keys = new Map(pairs);
    if (keys.size !== pairs.length) throw refuse(LoginStatus.INITIATOR_ERROR, 'a key was sent twice');
    const answers: TextPair[] = [];
    if (this.#identity === undefined) {
      const found = identify(keys, this.#options.directory, this.#options);
      if (found.kind === 'moved') return redirect(found.status, found.address);
      this.#identity = found;
      this.#refuseSecondConnection(request, found);
      if (found.kind === 'discovery') this.#negotiation.setDiscovery();
      answers.push(...describeTarget(found));
    }
    this.#initiatorAlias = keys.get('InitiatorAlias') ?? this.#initiatorAlias;
    const security = this.#stage === LoginStage.SECURITY_NEGOTIATION;
    answers.push(...this.#negotiate(pairs, security ? 'security' : 'operational'));
    if (security) answers.push(...this.#secure(keys, this.#identity, request.transit));
    else this.#requireAuthentication(this.#identity);
    if (!security) answers.push(...this.#declareOurs());
    return this.#answer(request, answers);
  }

  /** A login with a TSIH adds a connection to that session (RFC 7143 §6.3.1); sessions here have one. */
  #refuseSecondConnection({ tsih, isid }: LoginRequest, identity: LoginIdentity): void {
    if (tsih === 0) return;
    if (this.#options.registry.isSession(tsih, { ...identity, isid })) {
      throw refuse(LoginStatus.TOO_MANY_CONNECTIONS, 'a session has one connection here');
    }
    throw refuse(LoginStatus.SESSION_DOES_NOT_EXIST, 'the TSIH names no session of this initiator');
  }

  #negotiate(pairs: readonly TextPair[], stage: NegotiationStage): TextPair[] {
    const answers: TextPair[] = [];
    for (const [index, verdict] of this.#negotiation.offerAll(pairs, stage).entries()) {
      const key = pairs[index]?.[0] ?? '';
      if (verdict.kind === 'fault') throw refuse(LoginStatus.INITIATOR_ERROR, verdict.message);
      if (verdict.kind === 'answer') answers.push([key, verdict.value]);
    }
    return answers;
  }

  /** MaxRecvDataSegmentLength is declared once, each side for itself (RFC 7143 §13.12). */
  #declareOurs(): TextPair[] {
    if (this.#declaredOurs) return [];
    this.#declaredOurs = true;
    return [['MaxRecvDataSegmentLength', String(this.#options.preferences.maxRecvDataSegmentLength)]];
  }

  /** A login may begin in the operational stage only where nobody has to prove anything. */
  #requireAuthentication(identity: LoginIdentity): void {
    if (this.#authenticated || identity.authentication.method === 'none') return;
    throw refuse(LoginStatus.AUTHENTICATION_FAILURE, 'the initiator skipped authentication');
  }

  #secure(keys: ReadonlyMap<string, string>, identity: LoginIdentity, transit: boolean): readonly TextPair[] {
    const offered = keys.get('AuthMethod');
    const chapKeys = [...keys.keys()].some((key) => key.startsWith('CHAP_'));
    if (offered !== undefined) {
      if (this.#methodChosen) throw refuse(LoginStatus.INITIATOR_ERROR, 'AuthMethod was sent twice');
      if (chapKeys) throw refuse(LoginStatus.INITIATOR_ERROR, 'CHAP began before AuthMethod was agreed on');
      return this.#chooseMethod(offered, identity);
    }
    if (this.#chap !== undefined && !this.#authenticated) return this.#stepChap(this.#chap, keys);
    if (chapKeys) throw refuse(LoginStatus.INITIATOR_ERROR, 'CHAP keys without AuthMethod=CHAP');
    if (transit) {
      this.#requireAuthentication(identity);
      this.#authenticated = true;
    }
    return [];
  }

  #chooseMethod(offered: string, { authentication }: LoginIdentity): TextPair[] {
    const wanted = authentication.method === 'chap' ? 'CHAP' : 'None';
    if (parseList(offered)?.includes(wanted) !== true) {
      throw refuse(LoginStatus.AUTHENTICATION_FAILURE, `the initiator does not offer AuthMethod=${wanted}`);
    }
    this.#methodChosen = true;
    if (authentication.method === 'none') this.#authenticated = true;
    else this.#chap = new ChapAuthenticator(authentication, this.#options);
    return [['AuthMethod', wanted]];
  }

  #stepChap(chap: ChapAuthenticator, keys: ReadonlyMap<string, string>): readonly TextPair[] {
    const step = chap.step(keys);
    switch (step.kind) {
      case 'continue':
        return step.answers;
      case 'authenticated':
        this.#authenticated = true;
        this.#userName = step.userName;
        return step.answers;
      case 'refused':
        throw refuse(step.status, step.why);
      default:
        return step satisfies never;
    }
  }

  #answer(request: LoginRequest, pairs: readonly TextPair[]): LoginStep {
    const { loginDataSegmentBytesMax } = this.#options.limits;
    const declared = this.#negotiation.parameters().MaxRecvDataSegmentLength;
    this.#segments = encodeTextSegments(pairs, Math.min(declared, loginDataSegmentBytesMax));
    return this.#takeSegment(request);
  }

  #sendNextSegment(request: LoginRequest, data: Uint8Array): LoginStep {
    if (data.length > 0 || request.continue) {
      throw refuse(LoginStatus.INITIATOR_ERROR, 'text was sent before the answer was complete');
    }
    return this.#takeSegment(request);
  }

  #takeSegment(request: LoginRequest): LoginStep {
    const data = this.#segments.shift() ?? NO_TEXT.data;
    const continues = this.#segments.length > 0;
    const transit = request.transit && !continues && this.#mayLeaveStage();
    const answer = { transit, continues, data };
    if (!transit) return { kind: 'respond', answer };
    this.#stage = request.nsg as LoginStage;
    const done = request.nsg === LoginStage.FULL_FEATURE_PHASE;
    return { kind: done ? 'establish' : 'respond', answer };
  }

  #mayLeaveStage(): boolean {
    return this.#stage === LoginStage.OPERATIONAL_NEGOTIATION || this.#authenticated;
  }
}

function sameLogin(first: LoginRequest, request: LoginRequest): boolean {
  return (
    first.tsih === request.tsih &&
    first.cid === request.cid &&
    first.initiatorTaskTag === request.initiatorTaskTag &&
    first.isid.every((byte, index) => byte === request.isid[index])
  );
}

/**
 * Keys the target sends of its own accord in the first response of a normal session (RFC 7143 §13.6,
 * §13.9).
 */
function describeTarget(identity: LoginIdentity): TextPair[] {
  if (identity.kind === 'discovery') return [];
  const pairs: TextPair[] = [['TargetPortalGroupTag', String(identity.portalGroupTag)]];
  if (identity.targetAlias !== undefined) pairs.unshift(['TargetAlias', identity.targetAlias]);
  return pairs;
}

function redirect(status: LoginStatus, address: string): LoginStep {
  const data = encodeTextSegments([['TargetAddress', address]], 8192)[0] ?? NO_TEXT.data;
  return { kind: 'redirect', status, answer: { transit: false, continues: false, data } };
}
