// Which commands pass which reservation: SPC-4 Table 69, SBC-3 Table 13 and SPC-2 Table 10 transcribed by
// hand, apart
// from the rows, and played command by command against a holder, another registrant and a stranger.
import { describe, expect, test } from 'vitest';
import { memoryUnit } from '../../../../../lun/memory-device.ts';
import { COMMANDS } from '../../../../../protocol/scsi/commands.ts';
import { fixedSense, ready, verdict } from '../harness.ts';
import { register, reserve } from './pr-cdbs.ts';

/**
 * Columns: Write Exclusive, Exclusive Access; registered of a type for registrants; the same two for
 * strangers; RESERVE(6). A: allowed, C: conflict.
 */
const MATRIX: Record<string, string> = {
  'TEST UNIT READY': 'AA A AA C',
  'REQUEST SENSE': 'AA A AA A',
  INQUIRY: 'AA A AA A',
  'REPORT LUNS': 'AA A AA A',
  'MODE SENSE(6)': 'AC A AC C',
  'MODE SENSE(10)': 'AC A AC C',
  'MODE SELECT(6)': 'CC A CC C',
  'MODE SELECT(10)': 'CC A CC C',
  'REPORT SUPPORTED OPERATION CODES': 'AC A AC C',
  'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS': 'AC A AC C',
  'REPORT TARGET PORT GROUPS': 'AA A AA C',
  'SET TARGET PORT GROUPS': 'CC A CC C',
  'REPORT IDENTIFYING INFORMATION': 'AA A AA A',
  'SET IDENTIFYING INFORMATION': 'CC A CC C',
  'REPORT TIMESTAMP': 'AA A AA C',
  'SET TIMESTAMP': 'CC A CC C',
  'LOG SENSE': 'AA A AA A',
  'LOG SELECT': 'CC A CC C',
  'SEND DIAGNOSTIC': 'CC A CC C',
  'RECEIVE DIAGNOSTIC RESULTS': 'AC A AC C',
  'READ BUFFER': 'AC A AC C',
  'WRITE BUFFER': 'CC A CC C',
  'PERSISTENT RESERVE IN, READ KEYS': 'AA A AA C',
  'PERSISTENT RESERVE IN, READ RESERVATION': 'AA A AA C',
  'PERSISTENT RESERVE IN, REPORT CAPABILITIES': 'AA A AA C',
  'PERSISTENT RESERVE IN, READ FULL STATUS': 'AA A AA C',
  'READ CAPACITY(10)': 'AA A AA A',
  'READ CAPACITY(16)': 'AA A AA A',
  'READ(6)': 'AC A AC C',
  'READ(10)': 'AC A AC C',
  'READ(12)': 'AC A AC C',
  'READ(16)': 'AC A AC C',
  'WRITE(6)': 'CC A CC C',
  'WRITE(10)': 'CC A CC C',
  'WRITE(12)': 'CC A CC C',
  'WRITE(16)': 'CC A CC C',
  'VERIFY(10)': 'AC A AC C',
  'VERIFY(12)': 'AC A AC C',
  'VERIFY(16)': 'AC A AC C',
  'WRITE AND VERIFY(10)': 'CC A CC C',
  'WRITE AND VERIFY(12)': 'CC A CC C',
  'WRITE AND VERIFY(16)': 'CC A CC C',
  'SYNCHRONIZE CACHE(10)': 'CC A CC C',
  'SYNCHRONIZE CACHE(16)': 'CC A CC C',
  'PRE-FETCH(10)': 'AC A AC C',
  'PRE-FETCH(16)': 'AC A AC C',
  'SANITIZE, OVERWRITE': 'CC A CC C',
  'SANITIZE, BLOCK ERASE': 'CC A CC C',
  'SANITIZE, EXIT FAILURE MODE': 'CC A CC C',
  'POPULATE TOKEN': 'AC A AC C',
  'WRITE USING TOKEN': 'CC A CC C',
  'RECEIVE ROD TOKEN INFORMATION': 'CC A CC C',
  'EXTENDED COPY(LID1)': 'CC A CC C',
  'RECEIVE COPY STATUS(LID1)': 'CC A CC C',
  'RECEIVE COPY OPERATING PARAMETERS': 'CC A CC C',
  'RECEIVE COPY FAILURE DETAILS(LID1)': 'CC A CC C',
  UNMAP: 'CC A CC C',
  'GET LBA STATUS': 'AC A AC C',
  'WRITE SAME(10)': 'CC A CC C',
  'WRITE SAME(16)': 'CC A CC C',
  'COMPARE AND WRITE': 'CC A CC C',
  'ORWRITE(16)': 'CC A CC C',
  'WRITE ATOMIC(16)': 'CC A CC C',
  'READ DEFECT DATA(10)': 'AC A AC C',
  'READ DEFECT DATA(12)': 'AC A AC C',
  'FORMAT UNIT': 'CC A CC C',
  'START STOP UNIT': 'CC A CC C',
  'PREVENT ALLOW MEDIUM REMOVAL': 'AA A AA A',
};

/** Commands whose own rules decide; they have tests of their own. */
const OWN_RULES = /^(RESERVE|RELEASE|PERSISTENT RESERVE OUT)/;

const TYPES = { WE: 1, EA: 3, WERO: 5, EARO: 6, WEAR: 7, EAAR: 8 };

function cdbOf(opcode: number, serviceAction = 0): number[] {
  return [opcode, serviceAction];
}

async function reserved(type: number) {
  const setting = await ready({ removable: true });
  const { a, initiator } = setting;
  const b = await initiator('b').settle();
  const stranger = await initiator('c').settle();
  await register(a, 0n, 0xan);
  await register(b, 0n, 0xbn);
  expect(verdict(await reserve(a, 0xan, type))).toBe('good');
  return { a, b, stranger };
}

test('the matrix knows every command', () => {
  const names = COMMANDS.rows.map(({ name }) => name).filter((name) => !OWN_RULES.test(name));
  expect(Object.keys(MATRIX).sort()).toEqual(names.sort());
});

describe.each(Object.entries(TYPES))('a persistent reservation %s', (name, type) => {
  test('of one nexus against all others', async () => {
    const { a, b, stranger } = await reserved(type);
    const forRegistrants = type >= 5;
    const exclusive = name.startsWith('EA') ? 1 : 0;
    for (const { name: command, opcode, serviceAction } of COMMANDS.rows) {
      const row = MATRIX[command];
      if (row === undefined) continue;
      const [others = '', registered = '', strangers = ''] = row.split(' ');
      const expectedOfB = forRegistrants ? registered : others[exclusive];
      const expectedOfStranger = forRegistrants ? strangers[exclusive] : others[exclusive];
      const cdb = cdbOf(opcode, serviceAction);
      const isConflict = (result: { status: number }): string => (result.status === 0x18 ? 'C' : 'A');
      expect(isConflict(await a.run(cdb)), `holder: ${command}`).toBe('A');
      expect(isConflict(await b.run(cdb)), `registered: ${command}`).toBe(expectedOfB);
      expect(isConflict(await stranger.run(cdb)), `stranger: ${command}`).toBe(expectedOfStranger);
    }
  });
});

test('RESERVE(6) of one nexus against another', async () => {
  const { a, initiator } = await ready({ removable: true });
  const b = await initiator('b').settle();
  expect(verdict(await a.run([0x16]))).toBe('good');
  for (const { name, opcode, serviceAction } of COMMANDS.rows) {
    const row = MATRIX[name];
    if (row === undefined) continue;
    const conflict = (await b.run(cdbOf(opcode, serviceAction))).status === 0x18 ? 'C' : 'A';
    expect(conflict, name).toBe(row.split(' ')[3]);
    expect((await a.run(cdbOf(opcode, serviceAction))).status, name).not.toBe(0x18);
  }
});

test('starting a unit and allowing removal pass; stopping and preventing do not', async () => {
  const { b } = await reserved(TYPES.EA);
  expect(verdict(await b.run([0x1b, 0, 0, 0, 0x01, 0]))).toBe('good');
  for (const byte of [0x00, 0x02, 0x11])
    expect(verdict(await b.run([0x1b, 0, 0, 0, byte, 0]))).toBe('conflict');
  expect(verdict(await b.run([0x1e, 0, 0, 0, 0, 0]))).toBe('good');
  expect(verdict(await b.run([0x1e, 0, 0, 0, 1, 0]))).toBe('conflict');
});

describe('RESERVE(6) and RELEASE(6)', () => {
  test('the holder may reserve again; a release by another does nothing', async () => {
    const { a, initiator } = await ready();
    const b = await initiator('b').settle();
    for (const cdb of [[0x16], [0x16]]) expect(verdict(await a.run(cdb))).toBe('good');
    expect(verdict(await b.run([0x16]))).toBe('conflict');
    expect(verdict(await b.run([0x17]))).toBe('good');
    expect(verdict(await b.run([0x16]))).toBe('conflict');
    expect(verdict(await a.run([0x17]))).toBe('good');
    expect(verdict(await b.run([0x16]))).toBe('good');
  });

  test('(10) is the same reservation, and its obsolete fields are refused where they stand', async () => {
    const { a, initiator } = await ready();
    const b = await initiator('b').settle();
    expect(verdict(await a.run([0x56]))).toBe('good');
    expect(verdict(await b.run([0x16]))).toBe('conflict');
    expect(verdict(await b.run([0x57]))).toBe('good');
    expect(verdict(await b.run([0x56]))).toBe('conflict');
    expect(verdict(await a.run([0x17]))).toBe('good');
    expect(verdict(await b.run([0x56]))).toBe('good');
    for (const opcode of [0x56, 0x57]) {
      const thirdParty = await b.run([opcode, 0x10, 0, 7]);
      expect([verdict(thirdParty), fixedSense(thirdParty).special]).toEqual(['5/24/00', [0xcc, 0, 1]]);
      const list = await b.run([opcode, 0, 0, 0, 0, 0, 0, 0, 8]);
      expect([verdict(list), fixedSense(list).special]).toEqual(['5/24/00', [0xcf, 0, 7]]);
    }
  });

  test('nexus loss and resets release', async () => {
    const { a, initiator, target, unit } = await ready();
    const b = await initiator('b').settle();
    await a.run([0x16]);
    a.nexus.close();
    expect(verdict(await b.run([0x16]))).toBe('good');
    const c = await initiator('c').settle();
    expect(target.resetLun(new Uint8Array(8), b.nexus)).toBe(true);
    expect(verdict(await c.run([0, 0]))).toBe('6/29/03');
    expect(verdict(await c.run([0x16]))).toBe('good');
    target.resetTarget(c.nexus);
    expect(verdict(await b.run([0, 0]))).toBe('6/29/03');
    expect(verdict(await b.run([0x16]))).toBe('good');
    expect(unit.state.values.size).toBe(0);
  });

  test('beside persistent reservations: nothing for those with access, conflict for others', async () => {
    const { a, b, stranger } = await reserved(TYPES.WERO);
    for (const cdb of [[0x16], [0x17]]) {
      expect(verdict(await a.run(cdb))).toBe('good');
      expect(verdict(await b.run(cdb))).toBe('good');
      expect(verdict(await stranger.run(cdb))).toBe('conflict');
    }
    const exclusive = await reserved(TYPES.EA);
    expect(verdict(await exclusive.b.run([0x16]))).toBe('conflict');
  });

  test('a persistent reservation cannot be made under RESERVE(6)', async () => {
    const { a } = await ready();
    await a.run([0x16]);
    expect(verdict(await register(a, 0n, 1n))).toBe('conflict');
  });
});

test('P15: a reservation is of one unit, and no command to another meets it', async () => {
  const { a, units, initiator } = await ready();
  units.units.set(1, memoryUnit());
  units.changed();
  const b = await initiator('b').settle();
  await b.settle(1);
  await a.settle(1);
  expect(verdict(await a.run([0x16]))).toBe('good');
  expect(verdict(await b.run([0x16]))).toBe('conflict');
  expect(verdict(await b.run([0x16], { lun: 1 }))).toBe('good');
  expect(verdict(await a.run([0x16], { lun: 1 }))).toBe('conflict');
});
