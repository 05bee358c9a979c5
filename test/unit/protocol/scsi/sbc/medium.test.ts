// Removable media, write protection, and what becomes of failures of the store.
import { describe, expect, test } from 'vitest';
import type { StoreErrorCode } from '../../../../../lun/errors.ts';
import { COMMANDS } from '../../../../../protocol/scsi/commands.ts';
import { cdb10, cdb16, filled, fixedSense, hexOf, ready, verdict } from '../harness.ts';

const TUR = [0, 0];
const start = (flags: number, power = 0, immediate = 0): number[] => [
  0x1b,
  immediate,
  0,
  0,
  (power << 4) | flags,
  0,
];
const EJECT = start(0x02);
const LOAD = start(0x03);
const PREVENT = [0x1e, 0, 0, 0, 1, 0];
const ALLOW = [0x1e, 0, 0, 0, 0, 0];

describe('START STOP UNIT', () => {
  test('ejects and loads the medium of a removable unit; others hear of the load', async () => {
    const { a, initiator } = await ready({ removable: true });
    const b = await initiator('b').settle();
    for (const immediate of [0, 1]) {
      expect(verdict(await a.run(start(0x02, 0, immediate)))).toBe('good');
      expect([verdict(await a.run(TUR)), verdict(await b.run(TUR))]).toEqual(['2/3a/00', '2/3a/00']);
      expect(verdict(await a.run(LOAD))).toBe('good');
      expect([verdict(await a.run(TUR)), verdict(await b.run(TUR))]).toEqual(['good', '6/28/00']);
    }
  });

  test('without LOEJ the unit stays ready; a stop flushes unless NO_FLUSH', async () => {
    const { a, unit } = await ready({ removable: true });
    for (const flags of [0x00, 0x01, 0x04, 0x05]) {
      for (const immediate of [0, 1]) {
        expect(verdict(await a.run(start(flags, 0, immediate)))).toBe('good');
        expect(verdict(await a.run(TUR))).toBe('good');
      }
    }
    expect(unit.device.flushes).toBe(2);
  });

  test('power conditions, reserved ones too, are accepted and LOEJ with them is ignored', async () => {
    const { a } = await ready({ removable: true });
    for (let power = 1; power < 16; power += 1) {
      expect(verdict(await a.run(start(0x02, power, 1)))).toBe('good');
      expect(verdict(await a.run(TUR))).toBe('good');
    }
  });

  test('LOEJ on a fixed disk is refused at its bit', async () => {
    const { a } = await ready();
    const result = await a.run(EJECT);
    expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', [0xc9, 0, 4]]);
  });
});

describe('without a medium', () => {
  test('every command that needs it answers NOT READY, and the others run', async () => {
    const { a } = await ready({ removable: true });
    await a.run(EJECT);
    for (const { name, opcode, serviceAction = 0, needsMedium } of COMMANDS.rows) {
      const result = await a.run([opcode, serviceAction]);
      expect(verdict(result) === '2/3a/00', name).toBe(needsMedium);
    }
    const needing = COMMANDS.rows.filter(({ needsMedium }) => needsMedium).length;
    expect(needing).toBeGreaterThan(26);
    expect(hexOf((await a.run([0x03, 0, 0, 0, 18, 0])).dataIn).slice(4, 6)).toBe('02');
  });
});

describe('PREVENT ALLOW MEDIUM REMOVAL', () => {
  test('prevents ejecting and loading for every nexus until all allow', async () => {
    const { a, initiator } = await ready({ removable: true });
    const b = await initiator('b').settle();
    await a.run(PREVENT);
    await b.run(PREVENT);
    for (const one of [a, b]) expect(verdict(await one.run(EJECT))).toBe('5/53/02');
    await a.run(ALLOW);
    expect(verdict(await a.run(EJECT))).toBe('5/53/02');
    await b.run(ALLOW);
    expect(verdict(await a.run(EJECT))).toBe('good');
    await a.run(PREVENT);
    expect(verdict(await a.run(LOAD))).toBe('5/53/02');
  });

  test('ends with the nexus and with resets', async () => {
    const { a, initiator, target } = await ready({ removable: true });
    const b = await initiator('b').settle();
    await b.run(PREVENT);
    b.nexus.close();
    expect(verdict(await a.run(EJECT))).toBe('good');
    await a.run(PREVENT);
    target.resetLun(new Uint8Array(8), a.nexus);
    expect(verdict(await a.run(TUR))).toBe('6/29/03');
    expect(verdict(await a.run(LOAD))).toBe('good');
    await a.run(PREVENT);
    target.resetTarget(undefined);
    expect(verdict(await a.run(TUR))).toBe('6/29/03');
    expect(verdict(await a.run(EJECT))).toBe('good');
  });

  test('other values of PREVENT are refused', async () => {
    const { a } = await ready({ removable: true });
    expect(verdict(await a.run([0x1e, 0, 0, 0, 2, 0]))).toBe('5/24/00');
  });
});

test('a read-only unit refuses every command that writes, whatever its data', async () => {
  const { a } = await ready({ readOnly: true });
  const writing = COMMANDS.rows.filter(({ writes }) => writes);
  expect(writing.length).toBeGreaterThan(11);
  for (const { opcode, serviceAction = 0, name } of writing)
    expect(verdict(await a.run([opcode, serviceAction])), name).toBe('7/27/00');
  expect(verdict(await a.run(cdb10(0x28, 0, 1)))).toBe('good');
});

describe('capacity', () => {
  const capacity16 = (allocation: number): number[] => [
    0x9e,
    0x10,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    allocation,
    0,
    0,
  ];

  test('READ CAPACITY(10) and (16) of 512-byte blocks on 4 KiB', async () => {
    const { a } = await ready();
    expect(hexOf((await a.run([0x25])).dataIn)).toBe('0001ffff00000200');
    expect(hexOf((await a.run(capacity16(32))).dataIn)).toBe(
      `000000000001ffff000002000003c000${'00'.repeat(16)}`,
    );
    for (let allocation = 0; allocation < 16; allocation += 1) {
      expect((await a.run(capacity16(allocation))).dataIn).toHaveLength(allocation);
    }
  });

  test('of 4096-byte blocks, and of a unit that is not thin', async () => {
    const { a } = await ready({ blockBytes: 4096, capacityBlocks: 256, thin: false });
    expect(hexOf((await a.run(capacity16(32))).dataIn)).toBe(
      `00000000000000ff0000100000000000${'00'.repeat(16)}`,
    );
  });

  test('READ CAPACITY(10) of more than 2^32 blocks asks for the longer command', async () => {
    const { a } = await ready({ capacityBlocks: 2 ** 40 });
    expect(hexOf((await a.run([0x25])).dataIn)).toBe('ffffffff00000200');
    expect(hexOf((await a.run(capacity16(12))).dataIn)).toBe('000000ffffffffff00000200');
  });

  test('an LBA without PMI is refused', async () => {
    const { a } = await ready();
    expect(verdict(await a.run([0x25, 0, 0, 0, 0, 1]))).toBe('5/24/00');
    expect(verdict(await a.run([0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 1]))).toBe('5/24/00');
  });
});

describe('a store that fails', () => {
  const expected: Record<StoreErrorCode, [read: string, write: string]> = {
    IO: ['3/11/00', '3/0c/00'],
    CORRUPT: ['3/11/00', '3/11/00'],
    NO_SPACE: ['7/27/07', '7/27/07'],
    READ_ONLY: ['7/27/00', '7/27/00'],
    CLOSED: ['4/44/00', '4/44/00'],
  };
  test.each(Object.entries(expected))('%s becomes sense', async (code, [read, write]) => {
    const { a, unit } = await ready();
    const fail = (): void => {
      unit.device.nextFault = { code: code as StoreErrorCode, lba: 5 };
    };
    fail();
    expect(verdict(await a.run(cdb10(0x28, 0, 8)))).toBe(read);
    fail();
    expect(verdict(await a.run(cdb10(0x2a, 0, 1), { dataOut: filled(512, 1) }))).toBe(write);
  });

  test('later, as a rejection, says the same, and names the LBA', async () => {
    const { a, unit } = await ready();
    const { read } = unit.device;
    unit.device.nextFault = { code: 'CORRUPT', lba: 5 };
    unit.device.read = async (range, into) => {
      await Promise.resolve();
      return read.call(unit.device, range, into);
    };
    const result = await a.run(cdb16(0x88, 0, 8));
    expect([verdict(result), fixedSense(result).information]).toEqual(['3/11/00', 5]);
    expect(verdict(await a.run(cdb16(0x88, 0, 8)))).toBe('good');
  });

  test('our own faults are thrown on, or told and answered with HARDWARE ERROR', async () => {
    const broken = await ready();
    broken.unit.device.read = () => {
      throw new TypeError('our fault');
    };
    expect(() => broken.a.nexus.execute({ ...taskOf(cdb10(0x28, 0, 1)) }, () => undefined)).toThrow(
      'our fault',
    );
    const faults: unknown[] = [];
    const told = await ready({}, { onFault: (error) => faults.push(error) });
    told.unit.device.read = () => Promise.reject(new TypeError('our fault'));
    expect(verdict(await told.a.run(cdb10(0x28, 0, 1)))).toBe('4/44/00');
    expect(faults).toHaveLength(1);
  });
});

function taskOf(cdb: number[]) {
  const padded = new Uint8Array(16);
  padded.set(cdb);
  return {
    lun: new Uint8Array(8),
    tag: 1,
    attribute: 'simple' as const,
    cdb: padded,
    dataOut: new Uint8Array(0),
    dataInBytesMax: 512,
  };
}
