// The hot commands read their CDBs by hand: here the hand is held to the layout, and a READ or WRITE is
// shown to
// complete before `execute` returns. The time of one command is printed, not judged: machines differ.
import { decodeFields } from 'node-iscsi-pdu/fields';
import { expect, test } from 'vitest';
import { memoryUnit } from '../../../../lun/memory-device.ts';
import { COMMANDS } from '../../../../protocol/scsi/commands.ts';
import {
  CDB_6_FIELDS,
  CDB_10_FIELDS,
  CDB_12_FIELDS,
  CDB_16_FIELDS,
} from '../../../../protocol/scsi/sbc/cdb.ts';
import { seededRandom } from '../../../support/random.ts';
import { cdb10, ready, task } from './harness.ts';

const SEED = 0x407;
/** They have their length elsewhere, and read it through their layout. */
const DECODED: readonly string[] = ['COMPARE AND WRITE', 'WRITE ATOMIC(16)'];

test('hand-read fields equal what the layouts say, for every command of each CDB length', () => {
  const random = seededRandom(SEED);
  const readers = { 6: CDB_6_FIELDS, 10: CDB_10_FIELDS, 12: CDB_12_FIELDS, 16: CDB_16_FIELDS };
  const lengthNames = ['transferLength', 'verificationLength', 'blocks'];
  let compared = 0;
  for (const row of COMMANDS.rows) {
    const length = lengthNames.find((name) => name in row.cdb);
    if (!('lba' in row.cdb) || length === undefined || DECODED.includes(row.name)) continue;
    for (let i = 0; i < 200; i += 1) {
      const cdb = random.bytes(16);
      const fields = decodeFields(row.cdb, cdb) as Record<string, number | bigint>;
      const high = Number(fields['logicalBlockAddressHigh'] ?? 0) * 0x10000;
      const blocks = row.cdbBytes === 6 && fields[length] === 0 ? 256 : fields[length];
      expect(readers[row.cdbBytes].lba(cdb), `${row.name} seed ${SEED}`).toBe(high + Number(fields['lba']));
      expect(readers[row.cdbBytes].blocks(cdb), `${row.name} seed ${SEED}`).toBe(blocks);
      compared += 1;
    }
  }
  expect(compared).toBeGreaterThanOrEqual(20 * 200);
});

test('READ and WRITE on a device that answers at once complete before execute returns', async () => {
  const { a } = await ready();
  const seen: number[] = [];
  a.nexus.execute(task(cdb10(0x2a, 0, 1), { dataOut: new Uint8Array(512) }), ({ status }) =>
    seen.push(status),
  );
  expect(seen).toEqual([0]);
  a.nexus.execute(task(cdb10(0x28, 0, 1)), ({ status }) => seen.push(status));
  expect(seen).toEqual([0, 0]);
});

test('the cost of a 4 KiB READ above the device', async () => {
  const unit = memoryUnit({ blockBytes: 4096 });
  const buffer = new Uint8Array(4096);
  unit.device.read = () => undefined;
  const { units, a } = await ready({}, { allocate: () => buffer });
  units.units.set(0, unit);
  units.changed();
  await a.settle();
  expect(a.nexus.serverAt(new Uint8Array(8))).toBeDefined();
  const read = task(cdb10(0x28, 5, 1), { room: 4096 });
  let bytes = 0;
  const done = ({ transferBytes }: { transferBytes: number }): void => {
    bytes += transferBytes;
  };
  const rounds = 200_000;
  for (let i = 0; i < rounds; i += 1) a.nexus.execute(read, done);
  const begin = process.hrtime.bigint();
  for (let i = 0; i < rounds; i += 1) a.nexus.execute(read, done);
  const nanoseconds = Number(process.hrtime.bigint() - begin) / rounds;
  process.stdout.write(`READ(10) of 4 KiB: ${nanoseconds.toFixed(0)} ns of SCSI\n`);
  expect(bytes).toBe(2 * rounds * 4096);
});
