// The headers written and read without a record, against the tables of node-iscsi-pdu as their twins, over
// random values and the ends of every range.
import { DataIn, DataOut, RESERVED_TAG, ScsiCommand, ScsiResponse } from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import * as fast from '../../../../protocol/iscsi/fast-headers.ts';
import { type Random, seededRandom } from '../../../support/random.ts';

const u32 = (random: Random): number =>
  random.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, random.below(2 ** 32)]);

test('Data-In and SCSI Response are written as their tables write them', () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const random = seededRandom(seed);
    const tag = u32(random);
    const dataSN = u32(random);
    const offsetBytes = u32(random);
    const dataBytes = random.pick([0, 1, 4096, 0xffffff, random.below(2 ** 24)]);
    const final = random.chance(0.5);
    const numbers = { expCmdSN: u32(random), maxCmdSN: u32(random) };
    const residual = random.pick([0, 5, -5, 0xffffffff, -0xffffffff]);
    const status = { status: random.below(256), statSN: u32(random), residual };
    const residuals = {
      residualOverflow: residual > 0,
      residualUnderflow: residual < 0,
      residualCount: Math.abs(residual),
    };
    const common = { initiatorTaskTag: tag, dataSegmentLength: dataBytes, ...numbers };
    const withStatus = random.chance(0.5);
    const collapsed = { statusPresent: true, status: status.status, statSN: status.statSN, ...residuals };

    const table = new Uint8Array(48);
    const place = { final, targetTransferTag: RESERVED_TAG, dataSN, bufferOffset: offsetBytes };
    DataIn.encode({ ...common, ...place, ...(withStatus ? collapsed : {}) }, table);
    const written = new Uint8Array(48);
    fast.writeDataIn(
      written,
      { tag, dataSN, offsetBytes, dataBytes, final },
      numbers,
      withStatus ? status : undefined,
    );
    expect(written, `seed ${seed}`).toEqual(table);

    ScsiResponse.encode(
      { ...common, status: status.status, statSN: status.statSN, expDataSN: dataSN, ...residuals },
      table,
    );
    written.fill(0);
    fast.writeScsiResponse(written, { tag, expDataSN: dataSN, dataBytes }, numbers, status);
    expect(written, `seed ${seed}`).toEqual(table);
  }
});

test('SCSI Command and Data-Out are read as their tables read them', () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const bytes = seededRandom(seed).bytes(60).subarray(5, 53);
    const command = ScsiCommand.decode(bytes);
    expect({
      tag: fast.commandTag(bytes),
      cmdSN: fast.commandCmdSN(bytes),
      expected: fast.commandExpectedBytes(bytes),
      flags: [fast.commandIsFinal(bytes), fast.commandReads(bytes), fast.commandWrites(bytes)],
      attribute: fast.commandAttribute(bytes),
      cdb: fast.commandCdb(bytes),
      lun: fast.headerLun(bytes),
    }).toEqual({
      tag: command.initiatorTaskTag,
      cmdSN: command.cmdSN,
      expected: command.expectedDataTransferLength,
      flags: [command.final, command.read, command.write],
      attribute: command.attr,
      cdb: command.cdb,
      lun: command.lun,
    });
    const dataOut = DataOut.decode(bytes);
    expect([fast.dataOutTransferTag(bytes), fast.dataOutDataSN(bytes), fast.dataOutOffset(bytes)]).toEqual([
      dataOut.targetTransferTag,
      dataOut.dataSN,
      dataOut.bufferOffset,
    ]);
    expect(fast.commandIsFinal(bytes)).toBe(dataOut.final);
  }
});

test('pieces of a slab are zero, of the right size, and never overlap', () => {
  const slab = new fast.HeaderSlab();
  for (let count = 0; count < 1000; count += 1) {
    const piece = slab.take(count % 3 === 0);
    expect(piece.length).toBe(count % 3 === 0 ? 52 : 48);
    expect(piece.every((byte) => byte === 0)).toBe(true);
    piece.fill(0xff);
  }
});
