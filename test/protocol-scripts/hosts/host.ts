/**
 * A host as the scripts play it: a machine with an initiator, logged in to a whole target in this process. It
 * says what a command came to in a few characters, so that a script reads like the trace it was taken from.
 */
import { DEFAULT_ISID, Initiator } from '../../support/initiator/index.ts';
import { WholeTarget } from '../../support/whole-target.ts';

export const TARGET = 'iqn.2026-11.io.snaplun:scripts';
export const BLOCK_BYTES = 512;

/** Turns of the loop after which something is taken not to happen any more. */
const TURNS = 500;

/** "good", "conflict" or sense as "6/29/00"; "" when no answer came. */
export type Said = string;

export interface Answer {
  readonly said: Said;
  readonly dataIn: Uint8Array;
  /** "none", or as "underflow 12". */
  readonly residual: string;
  readonly sense: Uint8Array;
}

interface RunOptions {
  readonly dataOut?: Uint8Array;
  readonly room?: number;
  /** Default 0. */
  readonly lun?: number;
}

/** Types of persistent reservation (SPC-4 Table 229). */
export const WERO = 5;
export const EA = 3;

export const u32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
export const u64 = (value: number): number[] => [...u32(Math.floor(value / 2 ** 32)), ...u32(value >>> 0)];

export function filled(blocks: number, byte: number): Uint8Array {
  return new Uint8Array(blocks * BLOCK_BYTES).fill(byte);
}

export async function wholeTarget(): Promise<WholeTarget> {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await target.createLun({ name: 'disk0', sizeBytes: 64 << 20, blockBytes: BLOCK_BYTES });
  return target;
}

export class Host {
  readonly initiator: Initiator;
  readonly target: WholeTarget;
  /** The key it registers. */
  readonly key: number;

  private constructor(target: WholeTarget, initiator: Initiator, key: number) {
    this.target = target;
    this.initiator = initiator;
    this.key = key;
  }

  /** Logs in and takes the unit attention that awaits every new nexus. */
  static async open(
    target: WholeTarget,
    name: string,
    { path = 0, key = name.charCodeAt(0) } = {},
  ): Promise<Host> {
    const initiator = new Initiator(target.connect());
    const isid = DEFAULT_ISID.slice();
    isid[5] = path;
    await initiator.login({ targetName: TARGET, initiatorName: `iqn.2026-11.example:${name}`, isid });
    const host = new Host(target, initiator, key);
    await host.testUnitReady();
    return host;
  }

  async run(cdb: readonly number[], { dataOut, room, lun = 0 }: RunOptions = {}): Promise<Answer> {
    const padded = new Uint8Array(16);
    padded.set(cdb);
    const data = dataOut === undefined ? {} : { dataOut };
    const dataIn = room === undefined ? {} : { dataInBytes: room };
    const running = this.initiator.command({ cdb: padded, lun, ...data, ...dataIn });
    const result = await this.target.within(TURNS, running);
    if (result === undefined)
      return { said: '', dataIn: new Uint8Array(0), residual: '', sense: new Uint8Array(0) };
    const { kind, bytes } = result.residual;
    const residual = kind === 'none' ? 'none' : `${kind} ${bytes}`;
    return { said: words(result), dataIn: result.dataIn, residual, sense: result.sense };
  }

  async say(cdb: readonly number[], options?: RunOptions): Promise<Said> {
    return (await this.run(cdb, options)).said;
  }

  testUnitReady(): Promise<Said> {
    return this.say([0, 0, 0, 0, 0, 0]);
  }

  read(lba: number, blocks = 1): Promise<Answer> {
    return this.run([0x28, 0, ...u32(lba), 0, blocks >> 8, blocks & 0xff], { room: blocks * BLOCK_BYTES });
  }

  write(lba: number, data: Uint8Array): Promise<Said> {
    return this.say(writeCdb(lba, data), { dataOut: data });
  }

  /** COMPARE AND WRITE, VMware's "atomic test and set". */
  compareAndWrite(lba: number, expected: Uint8Array, replacement: Uint8Array): Promise<Answer> {
    const blocks = expected.length / BLOCK_BYTES;
    const dataOut = Uint8Array.from([...expected, ...replacement]);
    return this.run([0x89, 0, ...u64(lba), 0, 0, 0, blocks], { dataOut });
  }

  /** PERSISTENT RESERVE OUT with the basic list of 24 bytes. */
  reserveOut(action: number, { type = 0, own = this.key, other = 0, flags = 0 } = {}): Promise<Said> {
    const dataOut = Uint8Array.from([...u64(own), ...u64(other), 0, 0, 0, 0, flags, 0, 0, 0]);
    return this.say([0x5f, action, type, 0, 0, ...u32(24)], { dataOut });
  }

  /** REGISTER AND IGNORE EXISTING KEY of its own key. */
  register(): Promise<Said> {
    return this.reserveOut(0x06, { own: 0, other: this.key });
  }

  reserve(type: number): Promise<Said> {
    return this.reserveOut(0x01, { type });
  }

  release(type: number): Promise<Said> {
    return this.reserveOut(0x02, { type });
  }

  clear(): Promise<Said> {
    return this.reserveOut(0x03);
  }

  preempt(victim: Host, type: number, { abort = false } = {}): Promise<Said> {
    return this.reserveOut(abort ? 0x05 : 0x04, { type, other: victim.key });
  }

  /** PRGENERATION and the registered keys as the hosts' letters. */
  async keys(): Promise<readonly [generation: number, keys: string]> {
    const { dataIn } = await this.run([0x5e, 0, 0, 0, 0, 0, 0, 1, 0], { room: 256 });
    const view = new DataView(dataIn.buffer, dataIn.byteOffset, dataIn.byteLength);
    let keys = '';
    for (let at = 8; at < 8 + view.getUint32(4); at += 8) keys += String.fromCharCode(view.getUint32(at + 4));
    return [view.getUint32(0), keys];
  }

  /** The holder's letter and the type, as "a/5"; "none". */
  async reservation(): Promise<string> {
    const { dataIn } = await this.run([0x5e, 1, 0, 0, 0, 0, 0, 1, 0], { room: 256 });
    if (dataIn.length < 24) return 'none';
    return `${String.fromCharCode(dataIn[15] ?? 0)}/${(dataIn[21] ?? 0) & 0x0f}`;
  }

  /** LOGICAL UNIT RESET, TARGET WARM RESET or ABORT TASK (RFC 7143 §11.5.1); the response code. */
  manage(code: 1 | 5 | 6, referencedTaskTag?: number): Promise<number | undefined> {
    const referenced = referencedTaskTag === undefined ? {} : { referencedTaskTag };
    return this.target.within(TURNS, this.initiator.taskManagement(code, referenced));
  }

  /** The network goes without a word. */
  lose(): void {
    this.initiator.close();
  }
}

export function writeCdb(lba: number, data: Uint8Array): number[] {
  const blocks = data.length / BLOCK_BYTES;
  return [0x2a, 0, ...u32(lba), 0, blocks >> 8, blocks & 0xff];
}

function words({ status, sense }: { readonly status: number; readonly sense: Uint8Array }): Said {
  if (status === 0x00) return 'good';
  if (status === 0x18) return 'conflict';
  const hex = (at: number): string => (sense[at] ?? 0).toString(16).padStart(2, '0');
  return `${((sense[2] ?? 0) & 0x0f).toString(16)}/${hex(12)}/${hex(13)}`;
}
