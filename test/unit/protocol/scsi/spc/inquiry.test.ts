// INQUIRY and its pages, against bytes put together by hand from SPC-4 §6.6, §7.8 and SBC-3 §6.6.
import { describe, expect, test } from 'vitest';
import { memoryUnit } from '../../../../../lun/memory-device.ts';
import { hexOf, ready, TARGET_NAME, verdict } from '../harness.ts';

const hexText = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

async function inquiry(page: number | undefined, options = {}, allocation = 512): Promise<string> {
  const { a } = await ready(options);
  const cdb = [0x12, page === undefined ? 0 : 1, page ?? 0, allocation >> 8, allocation & 0xff, 0];
  const result = await a.run(cdb);
  expect(verdict(result)).toBe('good');
  return hexOf(result.dataIn);
}

describe('standard INQUIRY data', () => {
  const identification = hexText('SNAPLUN VLUN            0.1 ');
  const zeroes = (bytes: number): string => '00'.repeat(bytes);

  test('of a fixed disk', async () => {
    expect(await inquiry(undefined)).toBe(
      `000006125b380002${identification}${zeroes(22)}00a0046004c00960${zeroes(30)}`,
    );
  });

  test('of a removable disk sets RMB', async () => {
    expect((await inquiry(undefined, { removable: true })).slice(0, 8)).toBe('00800612');
  });

  test('is cut at ALLOCATION LENGTH, and ADDITIONAL LENGTH is not', async () => {
    expect(await inquiry(undefined, {}, 5)).toBe('000006125b');
    expect(await inquiry(undefined, {}, 0)).toBe('');
  });
});

describe('vital product data', () => {
  test('00h lists the pages, ascending', async () => {
    expect(await inquiry(0x00)).toBe('0000000a008083' + '8687888fb0b1b2');
  });

  test('80h is the serial number', async () => {
    expect(await inquiry(0x80)).toBe(`00800010${hexText('MEMORY0000000001')}`);
  });

  test('83h designates the unit, the port, its group and the device', async () => {
    const naa = '01030010600140500102030405060708090a0b0c';
    const vendor = `02010020${hexText('SNAPLUN MEMORY0000000001:memory0')}`;
    const relativePort = '5194000400000001';
    const portGroup = '5195000400000001';
    const port = `53980028${hexText(`${TARGET_NAME},t,0x0001`)}`.padEnd(8 + 2 * 0x28, '0');
    const device = `53a8001c${hexText(TARGET_NAME)}`.padEnd(8 + 2 * 0x1c, '0');
    const body = naa + vendor + relativePort + portGroup + port + device;
    const length = (body.length / 2).toString(16).padStart(4, '0');
    expect(await inquiry(0x83)).toBe(`0083${length}${body}`);
  });

  test('86h: three task attributes, a volatile cache, LUICLR', async () => {
    expect(await inquiry(0x86)).toBe(`0086003c00070101${'00'.repeat(56)}`);
  });

  test('87h: every mode page is shared', async () => {
    expect(await inquiry(0x87)).toBe('008700043fff0000');
  });

  test('B0h of 512-byte blocks', async () => {
    expect(await inquiry(0xb0)).toBe(
      '00b0003c' +
        '00ff0008' +
        '00008000' +
        '00000800' +
        '00000000' +
        '00100000' +
        '00000100' +
        '00000008' +
        '80000000' +
        '0000000000008000' +
        '00008000' +
        '00000008' +
        '00000008' +
        '00'.repeat(8),
    );
  });

  test('B0h of 4096-byte blocks', async () => {
    expect(await inquiry(0xb0, { blockBytes: 4096, capacityBlocks: 65536 })).toBe(
      '00b0003c' +
        '00ff0001' +
        '00001000' +
        '00000100' +
        '00000000' +
        '00100000' +
        '00000100' +
        '00000001' +
        '80000000' +
        '0000000000001000' +
        '00001000' +
        '00000001' +
        '00000001' +
        '00'.repeat(8),
    );
  });

  test('B0h of a unit that is not thin says that UNMAP is not there', async () => {
    expect((await inquiry(0xb0, { thin: false })).slice(40, 72)).toBe('0'.repeat(32));
  });

  test('B1h: not rotating, and reads go on after a block erase', async () => {
    expect(await inquiry(0xb1)).toBe(`00b1003c00010040${'00'.repeat(56)}`);
  });

  test('B2h: thin, and unmapped blocks read as zeroes', async () => {
    expect(await inquiry(0xb2)).toBe('00b2000400e40200');
    expect(await inquiry(0xb2, { thin: false })).toBe('00b2000400000000');
  });

  test('an unknown page, and a page without EVPD, point at PAGE CODE', async () => {
    const { a } = await ready();
    for (const cdb of [
      [0x12, 1, 0xc0, 0, 255, 0],
      [0x12, 0, 1, 0, 255, 0],
    ]) {
      const result = await a.run(cdb);
      expect(verdict(result)).toBe('5/24/00');
      expect(result.sense?.subarray(15, 18)).toEqual(Uint8Array.of(0xc0, 0, 2));
    }
  });
});

describe('REPORT LUNS', () => {
  const reportLuns = (select: number, allocation = 256): number[] => [
    0xa0,
    0,
    select,
    0,
    0,
    0,
    0,
    0,
    allocation >> 8,
    allocation & 0xff,
    0,
    0,
  ];

  test('lists LUNs ascending, flat space addressing above 255', async () => {
    const { a, units } = await ready();
    units.units.set(300, memoryUnit());
    units.units.set(2, memoryUnit());
    units.changed();
    const all = '0000001800000000' + '0000000000000000' + '0002000000000000' + '412c000000000000';
    expect(hexOf((await a.run(reportLuns(0))).dataIn)).toBe(all);
    expect(hexOf((await a.run(reportLuns(2))).dataIn)).toBe(all);
    expect(verdict(await a.settle(300).then(() => a.run([0, 0, 0, 0, 0, 0], { lun: 300 })))).toBe('good');
  });

  test('has no well known units, and refuses other selections and short allocations', async () => {
    const { a } = await ready();
    expect(hexOf((await a.run(reportLuns(1))).dataIn)).toBe('0000000000000000');
    expect(verdict(await a.run(reportLuns(3)))).toBe('5/24/00');
    expect(verdict(await a.run(reportLuns(0, 15)))).toBe('5/24/00');
  });
});
