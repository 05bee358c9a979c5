/**
 * An iSCSI initiator for tests, built on node-iscsi-pdu alone: one session with one connection at
 * ErrorRecoveryLevel 0. It has no clock; whoever waits decides for how long. It keeps to the CmdSN
 * window, answers R2Ts and pings, and checks what a target must keep (StatSN, DataSN, offsets, sizes).
 */
import {
  AsyncMessage,
  buildAhs,
  type Crc32c,
  decodeText,
  encodeLun,
  encodeText,
  type Frame,
  LogoutRequest,
  LogoutResponse,
  NopIn,
  NopOut,
  Opcode,
  RESERVED_TAG,
  Reject,
  ScsiCommand,
  serialLessOrEqual,
  serialNext,
  TaskManagementRequest,
  TaskManagementResponse,
  type TextPair,
  TextRequest,
  TextResponse,
} from 'node-iscsi-pdu';
import { type CommandOptions, type CommandResult, PendingCommand } from './command.ts';
import {
  concatenate,
  LoginExchange,
  type LoginNumbers,
  type LoginOptions,
  type LoginResult,
} from './login.ts';
import { PduLink } from './pdu-link.ts';
import type { Transport } from './transport.ts';

/** The connection is gone, or the target broke the protocol. */
export class InitiatorError extends Error {
  override readonly name = 'InitiatorError';
}

/** The target refused a PDU; `reason` is of RFC 7143 §11.17.1. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError';
  readonly reason: number;
  /** The header that was refused. */
  readonly bhs: Uint8Array;

  constructor(reason: number, bhs: Uint8Array) {
    super(`rejected, reason ${reason}`);
    this.reason = reason;
    this.bhs = bhs;
  }
}

export interface InitiatorOptions {
  readonly crc32c?: Crc32c;
  /** Called with each Asynchronous Message and its data. */
  readonly onAsync?: (message: AsyncMessage, data: Uint8Array) => void;
  /** Leaves pings of the target unanswered. */
  readonly mute?: boolean;
}

export interface TaskManagementOptions {
  readonly lun?: number | Uint8Array;
  readonly referencedTaskTag?: number;
  readonly refCmdSN?: number;
  /** Default true. */
  readonly immediate?: boolean;
}

/** A command that was sent. */
export interface StartedCommand {
  readonly tag: number;
  readonly cmdSN: number;
  readonly done: Promise<CommandResult>;
}

interface Waiter {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

export class Initiator {
  readonly link: PduLink;
  /** What the negotiation came to. Set by `login`. */
  readonly parameters = new Map<string, string>();
  /** Reject PDUs that belong to no request of this initiator. */
  readonly rejects: RejectedError[] = [];
  readonly #options: InitiatorOptions;
  readonly #commands = new Map<number, PendingCommand>();
  readonly #waiters = new Map<number, Waiter>();
  #loginFrames: Frame[] = [];
  #loginWaiter: Waiter | undefined;
  #numbers: LoginNumbers = { cmdSN: 1, expStatSN: 0 };
  #maxCmdSN = 0;
  #lastTag = 0;
  #loggedIn = false;
  #cid = 0;
  /** Commands that wait for the window. */
  #blocked: (() => void)[] = [];

  constructor(transport: Transport, options: InitiatorOptions = {}) {
    this.#options = options;
    this.link = new PduLink(transport, options.crc32c);
    this.link.onFrame((frame) => this.#receive(frame));
    this.link.onClose(() => this.#fail(new InitiatorError('the target closed the connection')));
  }

  get closed(): boolean {
    return this.link.closed;
  }

  get cmdSN(): number {
    return this.#numbers.cmdSN;
  }

  get expStatSN(): number {
    return this.#numbers.expStatSN;
  }

  get maxCmdSN(): number {
    return this.#maxCmdSN;
  }

  /** Commands sent and not answered. */
  get outstanding(): number {
    return this.#commands.size;
  }

  /** Logs in. Rejects with LoginFailure when the target says no, InitiatorError when it hangs up. */
  async login(options: LoginOptions): Promise<LoginResult> {
    const exchange = new LoginExchange(this.link, options, this.#numbers, () => this.#nextLoginFrame());
    const result = await exchange.run();
    this.#cid = options.cid ?? 0;
    for (const [key, value] of result.answers) this.parameters.set(key, value);
    const yes = (key: string): boolean => this.parameters.get(key) === 'CRC32C';
    this.link.setDigests({ header: yes('HeaderDigest'), data: yes('DataDigest') });
    this.#loggedIn = true;
    return result;
  }

  /** Sends a command and waits for its end. */
  command(options: CommandOptions): Promise<CommandResult> {
    return this.start(options).done;
  }

  /** Sends a command, at once or as soon as the window lets it. */
  start(options: CommandOptions): StartedCommand {
    const tag = options.tag ?? this.newTag();
    const immediate = options.immediate === true;
    const cmdSN = options.cmdSN ?? this.#numbers.cmdSN;
    if (!immediate && options.cmdSN === undefined) this.#numbers.cmdSN = serialNext(cmdSN);
    const pending = new PendingCommand(options, tag, this.parameters);
    this.#commands.set(tag, pending);
    const send = (): void => this.#sendCommand(pending, options, cmdSN);
    const early = !immediate && options.cmdSN === undefined && !serialLessOrEqual(cmdSN, this.#maxCmdSN);
    if (early) this.#blocked.push(send);
    else send();
    if (this.link.closed) this.#fail(new InitiatorError('the connection is closed'));
    return { tag, cmdSN, done: pending.done };
  }

  #sendCommand(pending: PendingCommand, options: CommandOptions, cmdSN: number): void {
    const plan = pending.plan();
    const { cdb } = options;
    const rest = cdb.subarray(16);
    const extended = rest.length === 0 ? {} : { ahs: buildAhs([{ type: 'extended-cdb', cdbRest: rest }]) };
    const fields = {
      ...{ immediate: options.immediate === true, final: plan.final, attr: options.attribute ?? 1 },
      ...{ read: pending.reads, write: pending.writes, lun: lunBytes(options.lun) },
      ...{ initiatorTaskTag: pending.tag, expectedDataTransferLength: pending.expectedBytes },
      ...{ cmdSN, expStatSN: this.#numbers.expStatSN, cdb: cdb.subarray(0, 16) },
    };
    this.link.send(ScsiCommand, fields, { ...extended, data: plan.immediate });
    pending.sendUnsolicited(this.link, this.#numbers.expStatSN);
  }

  /** Forgets a command that will not be answered; its promise stays open. */
  forget(tag: number): void {
    this.#commands.delete(tag);
  }

  newTag(): number {
    this.#lastTag = serialNext(this.#lastTag);
    return this.#lastTag;
  }

  /** Sends a task management function; resolves with the response code of RFC 7143 §11.6.1. */
  async taskManagement(code: number, options: TaskManagementOptions = {}): Promise<number> {
    const tag = this.newTag();
    const { immediate = true, referencedTaskTag = RESERVED_TAG, refCmdSN = 0 } = options;
    const numbers = { cmdSN: this.#takeCmdSN(immediate), expStatSN: this.#numbers.expStatSN };
    const fields = { function: code, lun: lunBytes(options.lun), initiatorTaskTag: tag };
    const answer = this.#answerTo(tag);
    this.link.send(TaskManagementRequest, { ...fields, immediate, referencedTaskTag, refCmdSN, ...numbers });
    const frame = await answer;
    return TaskManagementResponse.decode(frame.bhs).response;
  }

  /** Pings the target; resolves with the data it sends back. */
  async nop(data = new Uint8Array(0), { immediate = true } = {}): Promise<Uint8Array> {
    const tag = this.newTag();
    const numbers = { cmdSN: this.#takeCmdSN(immediate), expStatSN: this.#numbers.expStatSN };
    const tags = { initiatorTaskTag: tag, targetTransferTag: RESERVED_TAG };
    const answer = this.#answerTo(tag);
    this.link.send(NopOut, { immediate, ...tags, ...numbers }, { data });
    return (await answer).data;
  }

  /** One Text exchange, with continuations in both directions; `cutBytes` limits the segments sent. */
  async text(pairs: readonly TextPair[], { cutBytes = 8192 } = {}): Promise<readonly TextPair[]> {
    const tag = this.newTag();
    const whole = encodeText(pairs);
    const answers: Uint8Array[] = [];
    let transferTag = RESERVED_TAG;
    let sent = 0;
    for (;;) {
      const data = whole.subarray(sent, sent + cutBytes);
      sent += data.length;
      const last = sent === whole.length;
      const numbers = { cmdSN: this.#takeCmdSN(false), expStatSN: this.#numbers.expStatSN };
      const tags = { initiatorTaskTag: tag, targetTransferTag: transferTag };
      const answer = this.#answerTo(tag);
      this.link.send(TextRequest, { final: last, continue: !last, ...tags, ...numbers }, { data });
      const frame = await answer;
      const response = TextResponse.decode(frame.bhs);
      answers.push(frame.data);
      transferTag = response.targetTransferTag;
      if (last && !response.continue) return decodeText(concatenate(answers));
    }
  }

  /** SendTargets=`value` as pairs. */
  sendTargets(value = 'All'): Promise<readonly TextPair[]> {
    return this.text([['SendTargets', value]]);
  }

  /** Logs out and resolves with the response code; the target closes the connection then. */
  async logout(reasonCode = 0, cid = this.#cid): Promise<number> {
    const tag = this.newTag();
    const numbers = { cmdSN: this.#takeCmdSN(true), expStatSN: this.#numbers.expStatSN };
    const answer = this.#answerTo(tag);
    this.link.send(LogoutRequest, { immediate: true, reasonCode, cid, initiatorTaskTag: tag, ...numbers });
    const frame = await answer;
    return LogoutResponse.decode(frame.bhs).response;
  }

  close(): void {
    this.link.close();
  }

  #takeCmdSN(immediate: boolean): number {
    const { cmdSN } = this.#numbers;
    if (!immediate) this.#numbers.cmdSN = serialNext(cmdSN);
    return cmdSN;
  }

  #answerTo(tag: number): Promise<Frame> {
    return new Promise((resolve, reject) => {
      if (this.link.closed) reject(new InitiatorError('the connection is closed'));
      else this.#waiters.set(tag, { resolve, reject });
    });
  }

  #nextLoginFrame(): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const frame = this.#loginFrames.shift();
      if (frame !== undefined) resolve(frame);
      else if (this.link.closed) reject(new InitiatorError('the target closed the connection'));
      else this.#loginWaiter = { resolve, reject };
    });
  }

  #receive(frame: Frame): void {
    if (!this.#loggedIn && frame.opcode === Opcode.LOGIN_RESPONSE) this.#receiveLogin(frame);
    else this.#receiveFullFeature(frame);
  }

  #receiveLogin(frame: Frame): void {
    this.#noteWindow(frame);
    const waiter = this.#loginWaiter;
    this.#loginWaiter = undefined;
    if (waiter === undefined) this.#loginFrames.push(frame);
    else waiter.resolve(frame);
  }

  #receiveFullFeature(frame: Frame): void {
    this.#noteWindow(frame);
    const tag = new DataView(frame.bhs.buffer, frame.bhs.byteOffset).getUint32(16);
    switch (frame.opcode) {
      case Opcode.SCSI_RESPONSE:
      case Opcode.DATA_IN:
      case Opcode.R2T:
        this.#receiveForCommand(frame, tag);
        break;
      case Opcode.REJECT:
        this.#receiveReject(frame);
        break;
      case Opcode.ASYNC_MESSAGE:
        this.#noteStatSN(AsyncMessage.decode(frame.bhs).statSN);
        this.#options.onAsync?.(AsyncMessage.decode(frame.bhs), frame.data);
        break;
      default:
        this.#receiveAnswer(frame, tag);
    }
  }

  #receiveForCommand(frame: Frame, tag: number): void {
    const command = this.#commands.get(tag);
    const progress = command?.receive(frame, this.link, this.#numbers.expStatSN);
    if (progress === undefined) return;
    this.#noteStatSN(progress.statSN);
    this.#commands.delete(tag);
    progress.settle();
  }

  #receiveReject(frame: Frame): void {
    const reject = Reject.decode(frame.bhs);
    this.#noteStatSN(reject.statSN);
    const error = new RejectedError(reject.reason, frame.data.slice());
    const tag = new DataView(error.bhs.buffer, error.bhs.byteOffset).getUint32(16);
    const waiter = this.#waiters.get(tag);
    this.#waiters.delete(tag);
    const isCommand = ((error.bhs[0] ?? 0) & 0x3f) === Opcode.SCSI_COMMAND;
    const command = isCommand ? this.#commands.get(tag) : undefined;
    if (command !== undefined && reject.reason !== 0x02) {
      this.#commands.delete(tag);
      command.fail(error);
    } else if (waiter !== undefined) waiter.reject(error);
    else this.rejects.push(error);
  }

  #receiveAnswer(frame: Frame, tag: number): void {
    if (frame.opcode === Opcode.NOP_IN && tag === RESERVED_TAG) {
      const ping = NopIn.decode(frame.bhs);
      if (this.#options.mute === true) return;
      const tags = { initiatorTaskTag: RESERVED_TAG, targetTransferTag: ping.targetTransferTag };
      const numbers = { cmdSN: this.#numbers.cmdSN, expStatSN: this.#numbers.expStatSN };
      this.link.send(NopOut, { immediate: true, lun: ping.lun, ...tags, ...numbers });
      return;
    }
    this.#noteStatSN(NopIn.decode(frame.bhs).statSN);
    const waiter = this.#waiters.get(tag);
    this.#waiters.delete(tag);
    waiter?.resolve(frame);
  }

  /** Status comes in order, none left out (RFC 7143 §4.2.2.2). */
  #noteStatSN(statSN: number): void {
    if (statSN !== this.#numbers.expStatSN) {
      this.#fail(new InitiatorError(`StatSN ${statSN} where ${this.#numbers.expStatSN} was due`));
    }
    this.#numbers.expStatSN = serialNext(statSN);
  }

  #noteWindow(frame: Frame): void {
    const view = new DataView(frame.bhs.buffer, frame.bhs.byteOffset);
    const maxCmdSN = view.getUint32(32);
    if (serialLessOrEqual(maxCmdSN, this.#maxCmdSN) && this.#loggedIn) return;
    this.#maxCmdSN = maxCmdSN;
    if (this.#blocked.length === 0) return;
    const blocked = this.#blocked;
    this.#blocked = [];
    const room = (maxCmdSN - this.#numbers.cmdSN + blocked.length + 1) | 0;
    for (const [index, send] of blocked.entries()) {
      if (index < room) send();
      else this.#blocked.push(send);
    }
  }

  #fail(error: Error): void {
    for (const command of this.#commands.values()) command.fail(error);
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#commands.clear();
    this.#waiters.clear();
    this.#loginWaiter?.reject(error);
    this.#loginWaiter = undefined;
  }
}

function lunBytes(lun: number | Uint8Array = 0): Uint8Array {
  return typeof lun === 'number' ? encodeLun(lun) : lun;
}
