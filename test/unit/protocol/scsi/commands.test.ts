// A walk over all rows: no two answer to the same CDB, layouts stay inside their CDB, every command that
// the block
// and primary command sets need is there, and what REPORT SUPPORTED OPERATION CODES says of them is what
// is true.
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../../protocol/scsi/commands.ts';
import { fixedSense, hexOf, ready, u16, u32, verdict } from './harness.ts';

const rsoc = (options: number, opcode = 0, action = 0, allocation = 65535): number[] => [
  0xa3,
  0x0c,
  options,
  opcode,
  ...u16(action),
  ...u32(allocation),
  0,
  0,
];

describe('the rows', () => {
  test('no opcode and service action stands twice, nor an opcode both with and without', () => {
    const keys = COMMANDS.rows.map(({ opcode, serviceAction }) => `${opcode}/${serviceAction ?? '-'}`);
    expect(new Set(keys).size).toBe(keys.length);
    const plain = COMMANDS.rows.filter((row) => row.serviceAction === undefined);
    for (const { opcode, name } of plain) expect(COMMANDS.hasServiceActions(opcode), name).toBe(false);
  });

  test('fields lie inside the CDB and leave the opcode, the service action and CONTROL alone', () => {
    for (const row of COMMANDS.rows) {
      for (const [name, field] of Object.entries(row.cdb)) {
        expect(field.byte, `${row.name} ${name}`).toBeGreaterThanOrEqual(1);
        expect(field.byte + field.byteCount, `${row.name} ${name}`).toBeLessThan(row.cdbBytes);
        if (row.serviceAction !== undefined && field.byte === 1) expect(field.lsb).toBeGreaterThanOrEqual(5);
      }
      expect(row.usage).toHaveLength(row.cdbBytes);
    }
  });

  test('the length of a CDB is what its group code says (SPC-4 §4.2.5.1)', () => {
    const lengths: Record<number, number> = { 0: 6, 1: 10, 2: 10, 4: 16, 5: 12 };
    for (const row of COMMANDS.rows) expect(row.cdbBytes, row.name).toBe(lengths[row.opcode >> 5]);
  });

  test('what writes conflicts with every reservation of others', () => {
    for (const row of COMMANDS.rows.filter(({ writes }) => writes)) {
      expect(row.reserved, row.name).toBe('write');
      expect(row.reserved6, row.name).toBe('conflict');
      expect(row.needsMedium, row.name).toBe(true);
    }
  });
});

describe('REPORT SUPPORTED OPERATION CODES', () => {
  // CDB usage data transcribed from the CDB tables of SPC-4 and SBC-3, less what is refused here.
  const usage: Record<string, [number, number | undefined, string]> = {
    'TEST UNIT READY': [0x00, undefined, '000000000000'],
    'READ(6)': [0x08, undefined, '081fffffff00'],
    INQUIRY: [0x12, undefined, '1201ffffff00'],
    'READ(10)': [0x28, undefined, '281affffffff1fffff00'],
    'WRITE(10)': [0x2a, undefined, '2a1affffffff1fffff00'],
    'VERIFY(10)': [0x2f, undefined, '2f16ffffffff1fffff00'],
    UNMAP: [0x42, undefined, '4200000000001fffff00'],
    'WRITE SAME(16)': [0x93, undefined, '9309ffffffffffffffffffffffff1f00'],
    'COMPARE AND WRITE': [0x89, undefined, '891affffffffffffffff000000ff1f00'],
    'PERSISTENT RESERVE IN, READ KEYS': [0x5e, 0x00, '5e0000000000' + '00ffff00'],
    'PERSISTENT RESERVE OUT, PREEMPT': [0x5f, 0x04, '5f04ff0000ffffffff00'],
    'READ CAPACITY(16)': [0x9e, 0x10, '9e10ffffffffffffffffffffffff0100'],
    'REPORT SUPPORTED OPERATION CODES': [0xa3, 0x0c, 'a30c87ffffffffffffff0000'],
  };

  for (const [name, [opcode, action, bytes]] of Object.entries(usage)) {
    test(`usage data of ${name}`, async () => {
      const { a } = await ready();
      const result = await a.run(rsoc(action === undefined ? 1 : 2, opcode, action ?? 0));
      const length = (bytes.length / 2).toString(16).padStart(4, '0');
      expect(hexOf(result.dataIn)).toBe(`0003${length}${bytes}`);
    });
  }

  test('lists every command, with and without timeouts', async () => {
    const { a } = await ready({ removable: true });
    const plain = (await a.run(rsoc(0))).dataIn ?? new Uint8Array(0);
    expect(plain).toHaveLength(4 + 8 * COMMANDS.rows.length);
    expect(hexOf(plain.subarray(0, 12))).toBe(
      `${hexOf(Uint8Array.from(u32(plain.length - 4)))}0000000000000006`,
    );
    const timed = (await a.run(rsoc(0x80))).dataIn ?? new Uint8Array(0);
    expect(timed).toHaveLength(4 + 20 * COMMANDS.rows.length);
    expect(hexOf(timed.subarray(4, 24))).toBe('0000000000020006000a0000000000000000001e');
    expect(hexOf(timed)).toContain('5e000003' + '0003000a000a');
  });

  test('a command with timeouts', async () => {
    const { a } = await ready();
    expect(hexOf((await a.run(rsoc(0x81, 0x00))).dataIn)).toBe(
      '00830006000000000000000a0000000000000000001e',
    );
  });

  test('options and service actions that do not go together are refused', async () => {
    const { a } = await ready();
    expect(verdict(await a.run(rsoc(1, 0x9e)))).toBe('5/24/00');
    expect(verdict(await a.run(rsoc(2, 0x28)))).toBe('5/24/00');
    expect(verdict(await a.run(rsoc(4)))).toBe('5/24/00');
    expect(hexOf((await a.run(rsoc(3, 0x28))).dataIn).slice(0, 8)).toBe('0003000a');
    expect(hexOf((await a.run(rsoc(3, 0x9e, 0x10))).dataIn).slice(0, 8)).toBe('00030010');
    expect(hexOf((await a.run(rsoc(3, 0x28, 1))).dataIn)).toBe('00010000');
    expect(hexOf((await a.run(rsoc(1, 0xff))).dataIn)).toBe('00010000');
    expect(hexOf((await a.run(rsoc(2, 0x9e, 0x1f))).dataIn)).toBe('00010000');
  });

  test('what a unit does not have is not reported and not run', async () => {
    const { a } = await ready({ thin: false });
    for (const [opcode, cdb] of [
      [0x42, [0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
      [0x1e, [0x1e, 0, 0, 0, 0, 0]],
    ] as const) {
      expect(hexOf((await a.run(rsoc(1, opcode))).dataIn)).toBe('00010000');
      expect(verdict(await a.run(cdb))).toBe('5/20/00');
    }
  });
});

describe('bits that must be zero', () => {
  test('every bit of every command that its usage data does not have is refused in place', async () => {
    const { a } = await ready({ removable: true });
    let refused = 0;
    for (const row of COMMANDS.rows) {
      for (let bit = 8; bit < 8 * row.cdbBytes; bit += 1) {
        const [byte, mask] = [bit >> 3, 0x80 >> (bit & 7)] as const;
        if (((row.usage[byte] as number) & mask) !== 0) continue;
        if (row.serviceAction !== undefined && byte === 1 && (mask & 0x1f) !== 0) continue;
        const cdb = [row.opcode, row.serviceAction ?? 0, ...new Array<number>(row.cdbBytes - 2).fill(0)];
        cdb[byte] = (cdb[byte] as number) | mask;
        const result = await a.run(cdb);
        const [flags = 0, high = 0, low = 0] = fixedSense(result).special;
        const what = `${row.name}: byte ${byte}, mask ${mask}`;
        expect([verdict(result), flags & 0xc0, high], what).toEqual(['5/24/00', 0xc0, 0]);
        expect(low, what).toBeLessThanOrEqual(byte);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });

  test('are pointed at, those of a field at its first bit', async () => {
    const { a } = await ready();
    const cases: [number[], number[]][] = [
      [
        [0x00, 0, 0, 0x10, 0, 0],
        [0xcc, 0, 3],
      ],
      [
        [0x00, 0, 0, 0, 0, 0x04],
        [0xca, 0, 5],
      ],
      [
        [0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0],
        [0xcf, 0, 1],
      ],
      [
        [0x2a, 0x40, 0, 0, 0, 0, 0, 0, 1, 0],
        [0xcf, 0, 1],
      ],
      [
        [0x28, 0x01, 0, 0, 0, 0, 0, 0, 1, 0],
        [0xc8, 0, 1],
      ],
      [
        [0x93, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
        [0xcc, 0, 1],
      ],
      [
        [0x5e, 0x04, 0, 0, 0, 0, 0, 0, 8, 0],
        [0xcc, 0, 1],
      ],
    ];
    for (const [cdb, special] of cases) {
      const result = await a.run(cdb);
      expect([verdict(result), fixedSense(result).special], cdb.join()).toEqual(['5/24/00', special]);
    }
  });

  test('an unknown opcode is no CDB field', async () => {
    const { a } = await ready();
    for (const opcode of [0x02, 0x7f, 0xc0, 0xff]) expect(verdict(await a.run([opcode]))).toBe('5/20/00');
  });
});

test('REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS', async () => {
  const { a } = await ready();
  expect(hexOf((await a.run([0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0])).dataIn)).toBe('da000000');
  expect(hexOf((await a.run([0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 16, 0, 0])).dataIn)).toBe(
    `da00000c${'00'.repeat(12)}`,
  );
});
