/** One session with a LUN, as little of an initiator as writing, reading, unmapping and flushing needs. */
import assert from 'node:assert';
import {
  type CommandOptions,
  type CommandResult,
  connectSocket,
  Initiator,
} from '../../support/initiator/index.ts';
import { SECTOR_BYTES } from './sector-model.ts';

const GOOD = 0x00;
const CHECK_CONDITION = 0x02;
const BUSY = 0x08;
const TASK_SET_FULL = 0x28;
/** A new session is told of past events, one at a time. */
const UNIT_ATTENTIONS_MAX = 16;
const UNMAP_LIST_BYTES = 24;

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly target: string;
  readonly lun: number;
}

export interface Extent {
  readonly lba: number;
  readonly sectors: number;
}

function cdbWith(bytes: number, fill: (view: DataView) => void): Uint8Array {
  const cdb = new Uint8Array(16);
  fill(new DataView(cdb.buffer));
  return cdb.subarray(0, Math.max(bytes, 16));
}

/** READ(16) and WRITE(16) differ in their operation code only, SBC-3 5.16 and 5.39. */
function transferCdb(operation: number, { lba, sectors }: Extent): Uint8Array {
  return cdbWith(16, (view) => {
    view.setUint8(0, operation);
    view.setBigUint64(2, BigInt(lba));
    view.setUint32(10, sectors);
  });
}

export class Disk {
  readonly #initiator: Initiator;
  readonly #lun: number;

  private constructor(initiator: Initiator, lun: number) {
    this.#initiator = initiator;
    this.#lun = lun;
  }

  /** Logs in as the nth port of one initiator and takes the unit attentions that await it. */
  static async open({ host, port, target, lun }: Place, nth = 0): Promise<Disk> {
    const initiator = new Initiator(await connectSocket({ host, port }));
    await initiator.login({ targetName: target, isid: Uint8Array.of(0x80, 0, 0, 0x20, 0, nth) });
    const disk = new Disk(initiator, lun);
    for (let told = 0; told < UNIT_ATTENTIONS_MAX; told += 1) {
      const { status } = await initiator.command({ lun, cdb: new Uint8Array(16) });
      if (status === GOOD) return disk;
    }
    return assert.fail('TEST UNIT READY never succeeded');
  }

  async write(lba: number, data: Uint8Array): Promise<void> {
    const extent = { lba, sectors: data.length / SECTOR_BYTES };
    await this.#run({ cdb: transferCdb(0x8a, extent), dataOut: data });
  }

  async read(extent: Extent): Promise<Uint8Array> {
    const dataInBytes = extent.sectors * SECTOR_BYTES;
    const { dataIn } = await this.#run({ cdb: transferCdb(0x88, extent), dataInBytes });
    assert.equal(dataIn.length, dataInBytes);
    return dataIn;
  }

  /** UNMAP, SBC-3 5.28: one block descriptor. */
  async unmap({ lba, sectors }: Extent): Promise<void> {
    const list = new DataView(new ArrayBuffer(UNMAP_LIST_BYTES));
    list.setUint16(0, UNMAP_LIST_BYTES - 2);
    list.setUint16(2, UNMAP_LIST_BYTES - 8);
    list.setBigUint64(8, BigInt(lba));
    list.setUint32(16, sectors);
    const cdb = cdbWith(10, (view) => {
      view.setUint8(0, 0x42);
      view.setUint16(7, UNMAP_LIST_BYTES);
    });
    await this.#run({ cdb, dataOut: new Uint8Array(list.buffer) });
  }

  async flush(): Promise<void> {
    await this.#run({ cdb: cdbWith(10, (view) => view.setUint8(0, 0x35)) });
  }

  async close(): Promise<void> {
    await this.#initiator.logout();
    this.#initiator.close();
  }

  /** Without a word: what is on its way stays unanswered. */
  abandon(): void {
    this.#initiator.close();
  }

  async #run(options: CommandOptions): Promise<CommandResult> {
    for (;;) {
      const result = await this.#initiator.command({ lun: this.#lun, ...options });
      if (result.status === GOOD) return result;
      const later = result.status === BUSY || result.status === TASK_SET_FULL;
      const attention = result.status === CHECK_CONDITION && senseKeyOf(result.sense) === 0x06;
      const sense = Buffer.from(result.sense).toString('hex');
      assert(later || attention, `operation ${options.cdb[0]}: status ${result.status}, sense ${sense}`);
    }
  }
}

/** In fixed format byte 2, in descriptor format byte 1, SPC-4 4.5. */
function senseKeyOf(sense: Uint8Array): number {
  const descriptor = ((sense[0] ?? 0) & 0x7f) >= 0x72;
  return (sense[descriptor ? 1 : 2] ?? 0) & 0x0f;
}
