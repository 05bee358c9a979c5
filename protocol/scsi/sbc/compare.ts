/** Commands that read, combine and write as one atomic step: COMPARE AND WRITE and ORWRITE. */
import type { MaybePromise } from '../../../lun/units.ts';
import { command, type Request } from '../command.ts';
import { COMPARE_AND_WRITE_BLOCKS_MAX } from '../limits.ts';
import {
  checkCondition,
  DONE,
  invalidCdbField,
  LBA_OUT_OF_RANGE,
  type Outcome,
  received,
} from '../outcome.ts';
import { Sense } from '../sense.ts';
import {
  CDB_16_FIELDS,
  COMPARE_AND_WRITE_LAYOUT,
  hasForceUnitAccess,
  ORWRITE_LAYOUT,
  PROTECTION,
} from './cdb.ts';
import { blockRange, LENGTH_BYTE, refuseTransfer, writeOptions, wrongDataOut } from './transfer.ts';

const NUMBER_OF_LOGICAL_BLOCKS_BYTE = 13;

export const COMPARE_AND_WRITE = command({
  name: 'COMPARE AND WRITE',
  opcode: 0x89,
  cite: 'SBC-3 §5.2',
  cdbBytes: 16,
  cdb: COMPARE_AND_WRITE_LAYOUT,
  refused: PROTECTION,
  needsMedium: true,
  writes: true,
  reserved: 'write',
  reserved6: 'conflict',
  transfers: 'write',
  run({ server, task }, { lba, blocks, forceUnitAccess }): MaybePromise<Outcome> {
    const { geometry } = server.device;
    const first = Number(lba);
    if (first + blocks > geometry.capacityBlocks) return LBA_OUT_OF_RANGE;
    if (blocks > COMPARE_AND_WRITE_BLOCKS_MAX) return invalidCdbField(NUMBER_OF_LOGICAL_BLOCKS_BYTE);
    if (blocks === 0) return refuseUnnamedData(task.dataOut);
    const halfBytes = blocks * geometry.blockBytes;
    if (task.dataOut.byteLength !== 2 * halfBytes) return wrongDataOut(2 * halfBytes);
    const expected = task.dataOut.subarray(0, halfBytes);
    const replacement = task.dataOut.subarray(halfBytes);
    const judge = (differsAt: number | undefined): Outcome =>
      differsAt === undefined ? received(2 * halfBytes) : miscompare(differsAt, 2 * halfBytes);
    const options = writeOptions(server, forceUnitAccess);
    const comparing = server.device.compareAndWrite(
      blockRange(first, blocks),
      expected,
      replacement,
      options,
    );
    return comparing instanceof Promise ? comparing.then(judge) : judge(comparing);
  },
});

/**
 * Zero blocks compare and write nothing. Data that came all the same was meant for more blocks than
 * the field of one byte can say, and taking it for done would hide that nothing was stored.
 */
function refuseUnnamedData(dataOut: Uint8Array): Outcome {
  return dataOut.byteLength === 0 ? DONE : invalidCdbField(NUMBER_OF_LOGICAL_BLOCKS_BYTE);
}

/** INFORMATION is the offset of the first byte in the data-out that differs (SBC-3 §5.2). */
function miscompare(differsAt: number, transferBytes: number): Outcome {
  const detail = { information: differsAt };
  return { ...checkCondition(Sense.MISCOMPARE_DURING_VERIFY_OPERATION, detail), transferBytes };
}

/**
 * ORWRITE (SBC-3 §5.6): what is stored OR what was sent is stored. The device has no such verb, so the
 * result is put in place with compare-and-write, and anew when another write came in between.
 */
export const ORWRITE_16 = command({
  name: 'ORWRITE(16)',
  opcode: 0x8b,
  cite: 'SBC-3 §5.6',
  cdbBytes: 16,
  cdb: ORWRITE_LAYOUT,
  refused: PROTECTION,
  needsMedium: true,
  writes: true,
  reserved: 'write',
  reserved6: 'conflict',
  transfers: 'write',
  runByHand(request): MaybePromise<Outcome> {
    const { server, task } = request;
    const { geometry } = server.device;
    const lba = CDB_16_FIELDS.lba(task.cdb);
    const blocks = CDB_16_FIELDS.blocks(task.cdb);
    const refusal = refuseTransfer(geometry, { lba, blocks, lengthByte: LENGTH_BYTE[16] });
    if (refusal !== undefined) return refusal;
    if (blocks === 0) return DONE;
    const transferBytes = blocks * geometry.blockBytes;
    if (task.dataOut.byteLength < transferBytes) return wrongDataOut(transferBytes);
    return orWrite(request, { lba, blocks });
  },
});

/** Other writes that may come in between before the command gives up with BUSY. */
const ORWRITE_ATTEMPTS_MAX = 16;

async function orWrite(
  { server, task, target }: Request,
  { lba, blocks }: { lba: number; blocks: number },
): Promise<Outcome> {
  const range = blockRange(lba, blocks);
  const transferBytes = blocks * server.device.geometry.blockBytes;
  const options = writeOptions(server, hasForceUnitAccess(task.cdb));
  const stored = target.allocate(transferBytes);
  const combined = target.allocate(transferBytes);
  for (let attempt = 0; attempt < ORWRITE_ATTEMPTS_MAX; attempt += 1) {
    await server.device.read(range, stored);
    for (let at = 0; at < transferBytes; at += 1) {
      combined[at] = (stored[at] as number) | (task.dataOut[at] as number);
    }
    const differsAt = await server.device.compareAndWrite(range, stored, combined, options);
    if (differsAt === undefined) return received(transferBytes);
  }
  return { failure: 'busy' };
}
