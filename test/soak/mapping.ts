/**
 * LUNs mapped and unmapped while initiators use them. Several sessions write and verify a disk that
 * stays, and the same sessions read one that comes and goes: it has its own data, or there is no such
 * unit, and nothing else.
 */
import assert from 'node:assert';
import { join } from 'node:path';
import { ask } from '../../src/admin/client.ts';
import { type CommandResult, connectSocket, Initiator } from '../support/initiator/index.ts';
import { seededRandom } from '../support/random.ts';
import type { Server } from '../support/server.ts';

const BLOCK_BYTES = 512;
const SESSIONS = 4;
/** Each session has a region of its own on the disk that stays. */
const REGION_BLOCKS = 4096;
const BLOCKS_PER_COMMAND = 32;
export const STAYING_BYTES = SESSIONS * REGION_BLOCKS * BLOCK_BYTES;
export const MOVING_BYTES = 1024 * 1024;
const MOVING_LUN = 7;
const MOVING_VALUE = 0x5a;
const ILLEGAL_REQUEST = 0x05;
const ABSENT_ASC = 0x25;
const UNIT_ATTENTION = 0x06;

export interface MappingTally {
  writes: number;
  reads: number;
  absent: number;
  attentions: number;
  maps: number;
  asyncMessages: number;
}

function transfer(opcode: number, lba: number, blocks: number): Uint8Array {
  const cdb = new Uint8Array(16);
  const view = new DataView(cdb.buffer);
  cdb[0] = opcode;
  view.setUint32(6, lba);
  view.setUint32(10, blocks);
  return cdb;
}

class Session {
  readonly #initiator: Initiator;
  readonly #firstBlock: number;
  readonly #copy = new Uint8Array(REGION_BLOCKS * BLOCK_BYTES);
  readonly #random;
  readonly #tally: MappingTally;

  constructor(initiator: Initiator, nth: number, tally: MappingTally) {
    this.#initiator = initiator;
    this.#firstBlock = nth * REGION_BLOCKS;
    this.#random = seededRandom(nth + 1);
    this.#tally = tally;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const block = random.below(REGION_BLOCKS - BLOCKS_PER_COMMAND);
    const lba = this.#firstBlock + block;
    const dataInBytes = BLOCKS_PER_COMMAND * BLOCK_BYTES;
    const data = new Uint8Array(dataInBytes).fill(random.below(256));
    await this.#good(() =>
      this.#initiator.command({ cdb: transfer(0x8a, lba, BLOCKS_PER_COMMAND), dataOut: data }),
    );
    this.#copy.set(data, block * BLOCK_BYTES);
    this.#tally.writes += 1;
    const from = random.below(REGION_BLOCKS - BLOCKS_PER_COMMAND);
    const cdb = transfer(0x88, this.#firstBlock + from, BLOCKS_PER_COMMAND);
    const read = await this.#good(() => this.#initiator.command({ cdb, dataInBytes }));
    const expected = this.#copy.subarray(from * BLOCK_BYTES, from * BLOCK_BYTES + dataInBytes);
    assert(
      Buffer.from(read.dataIn).equals(expected),
      `other data at block ${this.#firstBlock + from} than was written`,
    );
    this.#tally.reads += 1;
    await this.#readMoving();
  }

  async #readMoving(): Promise<void> {
    const dataInBytes = 8 * BLOCK_BYTES;
    const result = await this.#initiator.command({
      lun: MOVING_LUN,
      cdb: transfer(0x88, 16, 8),
      dataInBytes,
    });
    const key = (result.sense[2] ?? 0) & 0x0f;
    if (result.status === 0) {
      assert(
        result.dataIn.every((byte) => byte === MOVING_VALUE),
        'the moving LUN shows data of another',
      );
      this.#tally.reads += 1;
    } else if (key === UNIT_ATTENTION) this.#tally.attentions += 1;
    else {
      assert(
        key === ILLEGAL_REQUEST && result.sense[12] === ABSENT_ASC,
        `sense ${Buffer.from(result.sense).toString('hex')}`,
      );
      this.#tally.absent += 1;
    }
  }

  /** Again after each unit attention; anything else must succeed. */
  async #good(send: () => Promise<CommandResult>): Promise<CommandResult> {
    for (;;) {
      const result = await send();
      if (result.status === 0) return result;
      const sense = Buffer.from(result.sense).toString('hex');
      assert(((result.sense[2] ?? 0) & 0x0f) === UNIT_ATTENTION, `status ${result.status}, sense ${sense}`);
      this.#tally.attentions += 1;
    }
  }

  async close(): Promise<void> {
    await this.#initiator.logout();
    this.#initiator.close();
  }
}

/** The moving disk gets its data while it is mapped, before anything moves. */
async function fillMoving(server: Server): Promise<void> {
  const initiator = new Initiator(await connectSocket({ host: server.host, port: server.port }));
  await initiator.login({ targetName: server.target, initiatorName: 'iqn.2026-01.test:filler' });
  await initiator.command({ lun: MOVING_LUN, cdb: new Uint8Array(16) });
  const dataOut = new Uint8Array(64 * BLOCK_BYTES).fill(MOVING_VALUE);
  const { status } = await initiator.command({ lun: MOVING_LUN, cdb: transfer(0x8a, 0, 64), dataOut });
  assert.equal(status, 0);
  await initiator.logout();
}

export async function openMapping(server: Server): Promise<{
  readonly tally: MappingTally;
  readonly run: (untilMs: number) => Promise<void>;
  readonly close: () => Promise<void>;
}> {
  const admin = join(server.pool, 'admin.sock');
  await ask(admin, 'lun.create', { name: 'moving', sizeBytes: MOVING_BYTES, lun: MOVING_LUN });
  await fillMoving(server);
  const tally: MappingTally = { writes: 0, reads: 0, absent: 0, attentions: 0, maps: 0, asyncMessages: 0 };
  const sessions: Session[] = [];
  for (let nth = 0; nth < SESSIONS; nth += 1) {
    const transport = await connectSocket({ host: server.host, port: server.port });
    const initiator = new Initiator(transport, {
      onAsync: () => {
        tally.asyncMessages += 1;
      },
    });
    await initiator.login({ targetName: server.target, initiatorName: `iqn.2026-01.test:mapping${nth}` });
    sessions.push(new Session(initiator, nth, tally));
  }
  return {
    tally,
    close: async () => {
      for (const session of sessions) await session.close();
    },
    run: async (untilMs) => {
      const before = { ...tally };
      const lanes = sessions.map(async (session) => {
        while (performance.now() < untilMs) await session.step();
      });
      const mapping = (async () => {
        while (performance.now() < untilMs) {
          await ask(admin, 'lun.unmap', { name: 'moving', force: true });
          await ask(admin, 'lun.map', { name: 'moving', lun: MOVING_LUN });
          tally.maps += 1;
        }
      })();
      await Promise.all([...lanes, mapping]);
      assert(tally.maps > before.maps && tally.writes > before.writes, 'nothing happened');
    },
  };
}
