/**
 * One session with a server's LUNs, for tests that care how a command ends: sense data are results here,
 * not failures. Built on the tests' own initiator; CDBs as SPC-4 and SBC-3 lay them out.
 */
import assert from 'node:assert';
import { type CommandOptions, connectSocket, Initiator } from './initiator/index.ts';

const GOOD = 0x00;
const UNIT_ATTENTIONS_MAX = 16;
/** UNMAP and 17 of SBC-3: header and block descriptor. */
const UNMAP_HEADER_BYTES = 8;
const UNMAP_DESCRIPTOR_BYTES = 16;

/** How a command ended. */
export interface Ended {
  readonly status: number;
  readonly dataIn: Uint8Array;
  /** Sense key, additional sense code and qualifier: '3/11/00'; '' for GOOD. */
  readonly sense: string;
  /** INFORMATION, where it is valid (SPC-4 §4.5.3). */
  readonly information: number | undefined;
}

export interface Extent {
  readonly lba: number;
  readonly blocks: number;
}

function cdb(operation: number, fill: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint8(0, operation);
  fill(view);
  return new Uint8Array(view.buffer);
}

function transfer(operation: number, { lba, blocks }: Extent, flags = 0): Uint8Array {
  return cdb(operation, (view) => {
    view.setUint8(1, flags);
    view.setBigUint64(2, BigInt(lba));
    view.setUint32(10, blocks);
  });
}

/** Of sense data in fixed format. */
function decoded(sense: Uint8Array): { readonly sense: string; readonly information: number | undefined } {
  if (sense.length === 0) return { sense: '', information: undefined };
  const hex = (at: number): string => (sense[at] ?? 0).toString(16).padStart(2, '0');
  const valid = ((sense[0] ?? 0) & 0x80) !== 0;
  const view = new DataView(sense.buffer, sense.byteOffset, sense.byteLength);
  return {
    sense: `${(sense[2] ?? 0) & 0x0f}/${hex(12)}/${hex(13)}`,
    information: valid ? view.getUint32(3) : undefined,
  };
}

export class ScsiSession {
  readonly #initiator: Initiator;
  readonly #lun: number;
  readonly #blockBytes: number;

  private constructor(initiator: Initiator, lun: number, blockBytes: number) {
    this.#initiator = initiator;
    this.#lun = lun;
    this.#blockBytes = blockBytes;
  }

  /** Logs in, and takes the unit attentions that await it. */
  static async open(
    server: { readonly host: string; readonly port: number; readonly target: string },
    { lun = 0, blockBytes = 512, nth = 0 } = {},
  ): Promise<ScsiSession> {
    const { host, port, target } = server;
    const initiator = new Initiator(await connectSocket({ host, port }));
    await initiator.login({
      targetName: target,
      isid: Uint8Array.of(0x80, 0, 0, 0x30, lun, nth),
    });
    const session = new ScsiSession(initiator, lun, blockBytes);
    for (let told = 0; told < UNIT_ATTENTIONS_MAX; told += 1) {
      if ((await session.testUnitReady()).status === GOOD) return session;
    }
    return assert.fail('TEST UNIT READY never succeeded');
  }

  testUnitReady(): Promise<Ended> {
    return this.command({ cdb: new Uint8Array(16) });
  }

  read(extent: Extent): Promise<Ended> {
    return this.command({ cdb: transfer(0x88, extent), dataInBytes: extent.blocks * this.#blockBytes });
  }

  write(lba: number, dataOut: Uint8Array): Promise<Ended> {
    return this.command({ cdb: transfer(0x8a, { lba, blocks: dataOut.length / this.#blockBytes }), dataOut });
  }

  /** UNMAP with one block descriptor for each extent. */
  unmap(extents: readonly Extent[]): Promise<Ended> {
    const bytes = UNMAP_HEADER_BYTES + extents.length * UNMAP_DESCRIPTOR_BYTES;
    const list = new DataView(new ArrayBuffer(bytes));
    list.setUint16(0, bytes - 2);
    list.setUint16(2, bytes - UNMAP_HEADER_BYTES);
    for (const [i, { lba, blocks }] of extents.entries()) {
      list.setBigUint64(UNMAP_HEADER_BYTES + i * UNMAP_DESCRIPTOR_BYTES, BigInt(lba));
      list.setUint32(UNMAP_HEADER_BYTES + i * UNMAP_DESCRIPTOR_BYTES + 8, blocks);
    }
    return this.command({
      cdb: cdb(0x42, (view) => view.setUint16(7, bytes)),
      dataOut: new Uint8Array(list.buffer),
    });
  }

  /** WRITE SAME(16) of zeroes with the UNMAP bit. */
  writeSameUnmap(extent: Extent): Promise<Ended> {
    return this.command({ cdb: transfer(0x93, extent, 0x08), dataOut: new Uint8Array(this.#blockBytes) });
  }

  /** SYNCHRONIZE CACHE(10) of everything. */
  flush(): Promise<Ended> {
    return this.command({ cdb: cdb(0x35, () => undefined) });
  }

  async command(options: CommandOptions): Promise<Ended> {
    const { status, sense, dataIn } = await this.#initiator.command({ lun: this.#lun, ...options });
    return { status, dataIn, ...decoded(sense) };
  }

  async close(): Promise<void> {
    await this.#initiator.logout();
    this.#initiator.close();
  }
}

/** What must have ended with GOOD. */
export function good(ended: Ended): Ended {
  assert.equal(ended.status, GOOD, `sense ${ended.sense}`);
  return ended;
}
