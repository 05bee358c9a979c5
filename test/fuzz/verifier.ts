/**
 * The other session: it writes and reads blocks of a unit of its own and compares what comes with a plain
 * copy in memory, while the attack goes on beside it.
 */
import assert from 'node:assert';
import { type CommandResult, Initiator, type Transport } from '../support/initiator/index.ts';
import { type Random, seededRandom } from '../support/random.ts';

const BLOCK_BYTES = 512;
export const VERIFIED_BLOCKS = 2048;
const BLOCKS_PER_COMMAND = 40;
const UNIT_ATTENTION = 0x06;

export const VERIFIER = 'iqn.2026-01.test:verifier';

function cdb16(opcode: number, lba: number, blocks: number): Uint8Array {
  const cdb = new Uint8Array(16);
  const view = new DataView(cdb.buffer);
  cdb[0] = opcode;
  view.setUint32(6, lba);
  view.setUint32(10, blocks);
  return cdb;
}

export class Verifier {
  readonly #initiator: Initiator;
  readonly #random: Random;
  readonly #copy = new Uint8Array(VERIFIED_BLOCKS * BLOCK_BYTES);
  checks = 0;

  constructor(transport: Transport, seed: number) {
    this.#initiator = new Initiator(transport);
    this.#random = seededRandom(seed);
  }

  async login(targetName: string): Promise<void> {
    await this.#initiator.login({ targetName, initiatorName: VERIFIER });
    // The first command of a nexus is told of power on (SAM-5 §5.14).
    const first = await this.#initiator.command({ cdb: new Uint8Array(6) });
    assert((first.sense[2] ?? UNIT_ATTENTION) === UNIT_ATTENTION, 'the first command meets a unit attention');
  }

  /** One write and one read; rejects when anything is other than it must be. */
  async check(): Promise<true> {
    const random = this.#random;
    const blocks = random.between(1, BLOCKS_PER_COMMAND);
    const lba = random.below(VERIFIED_BLOCKS - blocks);
    const dataOut = random.bytes(8);
    const data = new Uint8Array(blocks * BLOCK_BYTES);
    for (let at = 0; at < data.length; at += 8) data.set(dataOut, at);
    this.#good(await this.#initiator.command({ cdb: cdb16(0x8a, lba, blocks), dataOut: data }), 'write');
    this.#copy.set(data, lba * BLOCK_BYTES);
    const from = random.below(VERIFIED_BLOCKS - BLOCKS_PER_COMMAND);
    const dataInBytes = BLOCKS_PER_COMMAND * BLOCK_BYTES;
    const read = await this.#initiator.command({ cdb: cdb16(0x88, from, BLOCKS_PER_COMMAND), dataInBytes });
    this.#good(read, 'read');
    const expected = this.#copy.subarray(from * BLOCK_BYTES, from * BLOCK_BYTES + dataInBytes);
    assert(Buffer.from(read.dataIn).equals(expected), `other data at block ${from} than was written`);
    this.checks += 1;
    return true;
  }

  async logout(): Promise<true> {
    assert((await this.#initiator.logout()) === 0, 'the logout is answered with success');
    return true;
  }

  #good(result: CommandResult, what: string): void {
    const sense = Buffer.from(result.sense).toString('hex');
    assert(
      result.status === 0 && result.response === 0,
      `a ${what} ended with status ${result.status}, sense ${sense}`,
    );
  }
}
