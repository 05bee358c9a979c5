/**
 * One side of a protocol script: PDUs sent one by one to the whole target, and what comes back, in order.
 * The items follow the tables of contents of UNH-IOL's iSCSI suites for targets (login, full feature,
 * error recovery), with the clauses they rest on in today's numbering. They come from those documents;
 * they were never run in that laboratory, and what only ErrorRecoveryLevel 1 or 2 or several connections
 * can do has no script here.
 */
import assert from 'node:assert';
import {
  decodeText,
  type EncodeOptions,
  encodeLun,
  encodeText,
  type Layout,
  LoginRequest,
  LoginResponse,
  type PduDefinition,
  R2T,
  RESERVED_TAG,
  type RecordOf,
  ScsiCommand,
  ScsiResponse,
  TaskManagementRequest,
  TaskManagementResponse,
  type TextPair,
} from 'node-iscsi-pdu';
import { DEFAULT_ISID, RawPeer } from '../../support/initiator/index.ts';
import { settle } from '../../support/pool-world.ts';
import { WholeTarget } from '../../support/whole-target.ts';

export const TARGET = 'iqn.2026-11.io.snaplun:scripts';
export const INITIATOR = 'iqn.2026-01.test:script';
export const BLOCK_BYTES = 512;
/** A number near the end of the serial space, so that every script wraps (RFC 1982). */
export const FIRST_CMDSN = 0xffff_fffe;

const NAMES: readonly TextPair[] = [
  ['InitiatorName', INITIATOR],
  ['TargetName', TARGET],
];

export async function openTarget(): Promise<WholeTarget> {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await target.createLun({ name: 'disk', sizeBytes: 1 << 20, blockBytes: BLOCK_BYTES });
  return target;
}

type Taken<L extends Layout> = RecordOf<L> & { readonly data: Uint8Array };

export class Script {
  readonly target: WholeTarget;
  readonly peer: RawPeer;
  cmdSN = FIRST_CMDSN;
  #lastTag = 100;

  constructor(target: WholeTarget) {
    this.target = target;
    this.peer = new RawPeer(target.connect());
  }

  /** A new target and a session in its full feature phase whose unit attention was taken. */
  static async begin(keys: readonly TextPair[] = []): Promise<Script> {
    const script = new Script(await openTarget());
    await script.establish(keys);
    await script.status({ cdb: new Uint8Array(6) });
    return script;
  }

  /** Another session with the same target, of the initiator's port with this ISID qualifier. */
  async another(qualifier: number, keys: readonly TextPair[] = []): Promise<Script> {
    const other = new Script(this.target);
    const isid = DEFAULT_ISID.slice();
    isid[5] = qualifier;
    await other.establish(keys, isid);
    await other.status({ cdb: new Uint8Array(6) });
    return other;
  }

  async establish(keys: readonly TextPair[] = [], isid = DEFAULT_ISID): Promise<LoginResponse> {
    const response = await this.login({ transit: true, csg: 1, nsg: 3, isid }, [...NAMES, ...keys]);
    assert.equal(response.status, 0);
    const answers = new Map(decodeText(response.data));
    const yes = (key: string): boolean => answers.get(key) === 'CRC32C';
    this.peer.link.setDigests({ header: yes('HeaderDigest'), data: yes('DataDigest') });
    return response;
  }

  /** One Login Request and its answer. */
  async login(
    record: Partial<LoginRequest>,
    pairs: readonly TextPair[],
  ): Promise<Taken<typeof LoginResponse.layout>> {
    const fields = { isid: DEFAULT_ISID, cmdSN: this.cmdSN, ...record };
    await this.send(LoginRequest, fields, { data: encodeText(pairs) });
    return this.take(LoginResponse);
  }

  tag(): number {
    this.#lastTag += 1;
    return this.#lastTag;
  }

  /** The next CmdSN, used up. */
  next(): number {
    const { cmdSN } = this;
    this.cmdSN = (cmdSN + 1) >>> 0;
    return cmdSN;
  }

  async send<L extends Layout>(
    definition: PduDefinition<L>,
    record: Partial<RecordOf<L>>,
    options: EncodeOptions = {},
  ): Promise<void> {
    this.peer.send(definition, record, options);
    await settle();
  }

  /** A SCSI command, in CmdSN order unless it says otherwise. Returns its tag. */
  async command(record: Partial<ScsiCommand>, data?: Uint8Array): Promise<number> {
    const initiatorTaskTag = record.initiatorTaskTag ?? this.tag();
    const numbers =
      record.cmdSN === undefined && record.immediate !== true
        ? { cmdSN: this.next() }
        : { cmdSN: this.cmdSN };
    const fields = { final: true, attr: 1, lun: encodeLun(0), ...numbers, ...record, initiatorTaskTag };
    await this.send(ScsiCommand, fields, data === undefined ? {} : { data });
    return initiatorTaskTag;
  }

  /** A write of one block whose data does not come: an outstanding task. Returns its tag. */
  async stuckWrite(record: Partial<ScsiCommand> = {}): Promise<{ tag: number; targetTransferTag: number }> {
    const tag = await this.command({ ...write(0, 1), ...record });
    return { tag, targetTransferTag: this.takeR2T().targetTransferTag };
  }

  /** A task management function for LUN 0 that does not wait its turn: its response. */
  async manage(code: number, record: Partial<TaskManagementRequest> = {}): Promise<number> {
    const fields = { immediate: true, function: code, lun: encodeLun(0), initiatorTaskTag: this.tag() };
    const reference = { referencedTaskTag: RESERVED_TAG, cmdSN: this.cmdSN };
    await this.send(TaskManagementRequest, { ...fields, ...reference, ...record });
    return this.take(TaskManagementResponse).response;
  }

  /** TEST UNIT READY: "good", or the ASC and ASCQ of its sense as four digits. */
  async ready(): Promise<string> {
    await this.command({ cdb: new Uint8Array(6) });
    const { status, data } = this.take(ScsiResponse);
    return status === 0 ? 'good' : senseOf(data);
  }

  /** Sends a command and takes everything that comes of it: the last PDU's status. */
  async status(record: Partial<ScsiCommand>): Promise<number> {
    await this.command(record);
    const last = this.peer.frames.at(-1);
    this.peer.frames.length = 0;
    return last?.bhs[3] ?? -1;
  }

  take<L extends Layout>(definition: PduDefinition<L>): Taken<L> {
    return this.peer.take(definition);
  }

  /** What came and was not taken. */
  get rest(): readonly number[] {
    return this.peer.frames.map(({ opcode }) => opcode);
  }

  takeR2T(): R2T {
    return this.take(R2T);
  }
}

/** ASC and ASCQ of fixed format sense data behind its length, hexadecimal (RFC 7143 §11.4.7.1). */
export function senseOf(data: Uint8Array): string {
  return Buffer.from(data.subarray(14, 16)).toString('hex');
}

export function read(lba: number, blocks: number): Partial<ScsiCommand> {
  return { read: true, expectedDataTransferLength: blocks * BLOCK_BYTES, cdb: transfer(0x28, lba, blocks) };
}

export function write(lba: number, blocks: number): Partial<ScsiCommand> {
  return { write: true, expectedDataTransferLength: blocks * BLOCK_BYTES, cdb: transfer(0x2a, lba, blocks) };
}

function transfer(opcode: number, lba: number, blocks: number): Uint8Array {
  return Uint8Array.of(opcode, 0, 0, 0, lba >>> 8, lba, 0, blocks >>> 8, blocks, 0, 0, 0, 0, 0, 0, 0);
}
