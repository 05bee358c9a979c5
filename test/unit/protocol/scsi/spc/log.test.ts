// Log pages against bytes put together by hand from SPC-4 §7.3 and SBC-3 §6.4, after commands that were
// counted on the fingers.
import { describe, expect, test } from 'vitest';
import { cdb10, filled, fixedSense, hexOf, type Initiator, ready, u16, verdict } from '../harness.ts';

const CUMULATIVE = 1;

async function sense(
  a: Initiator,
  page: number,
  { subpage = 0, control = CUMULATIVE, pointer = 0, allocation = 4096 } = {},
): Promise<string> {
  const cdb = [0x4d, 0, (control << 6) | page, subpage, 0, ...u16(pointer), ...u16(allocation), 0];
  const result = await a.run(cdb);
  return result.status === 0 ? hexOf(result.dataIn) : `${verdict(result)} ${fixedSense(result).special}`;
}

const select = (a: Initiator, page: number, { flags = 0, control = 0 } = {}): ReturnType<Initiator['run']> =>
  a.run([0x4c, flags, (control << 6) | page, 0, 0, 0, 0, 0, 0, 0]);

const u64Hex = (value: number): string => value.toString(16).padStart(16, '0');
const errorCounters = (page: string, bytes: number, errors: number): string =>
  `${page}000024${'00030008'}${u64Hex(0)}${'00050008'}${u64Hex(bytes)}${'00060008'}${u64Hex(errors)}`;

/** Three reads of 2 blocks, one of which fails; two writes of 4 blocks; a VERIFY of 1. */
async function busy() {
  const setting = await ready();
  const { a, unit } = setting;
  for (let i = 0; i < 2; i += 1) await a.run(cdb10(0x28, 0, 2));
  unit.device.nextFault = { code: 'CORRUPT', lba: 1 };
  expect(verdict(await a.run(cdb10(0x28, 0, 2)))).toBe('3/11/00');
  for (let i = 0; i < 2; i += 1) await a.run(cdb10(0x2a, 0, 4), { dataOut: filled(2048, 1) });
  await a.run(cdb10(0x2f, 0, 1, 0x02), { dataOut: filled(512, 1) });
  return setting;
}

describe('LOG SENSE', () => {
  test('lists its pages, and with subpages', async () => {
    const { a } = await ready();
    expect(await sense(a, 0)).toBe(`00000009${'0002030' + '50c0e10192f'}`);
    expect(await sense(a, 0, { subpage: 0xff })).toBe(
      `40ff0014${'0000'}00ff${'0200'}0300${'0500'}0c00${'0e00'}1000${'1900'}2f00`,
    );
  });

  test('error counters: bytes that went well, and what could not be read', async () => {
    const { a } = await busy();
    expect(await sense(a, 0x03)).toBe(errorCounters('43', 2 * 1024, 1));
    expect(await sense(a, 0x02)).toBe(errorCounters('42', 2 * 2048, 0));
    expect(await sense(a, 0x05)).toBe(errorCounters('45', 512, 0));
  });

  test('thresholds are as far away as can be, and the default of a counter is zero', async () => {
    const { a } = await busy();
    for (const [control, digit] of [
      [0, 'f'],
      [2, 'f'],
      [3, '0'],
    ] as const) {
      expect((await sense(a, 0x03, { control })).slice(16, 32)).toBe(digit.repeat(16));
    }
  });

  test('PARAMETER POINTER leaves out what comes before it, and may not point past the end', async () => {
    const { a } = await busy();
    expect(await sense(a, 0x03, { pointer: 6 })).toBe(`4300000c00060008${u64Hex(1)}`);
    expect(await sense(a, 0x03, { pointer: 7 })).toBe('5/24/00 192,0,5');
  });

  test('general statistics: commands and blocks, each way', async () => {
    const { a } = await busy();
    const numbers = [3, 2, 8, 4, 0, 0, 0, 0].map(u64Hex).join('');
    expect(await sense(a, 0x19)).toBe(`5900004400010340${numbers}`);
  });

  test('logical block provisioning: what is left in the pool, in threshold sets of 1 MiB', async () => {
    const { a } = await ready({ availableBytes: () => 0x1234 * 1024 * 1024 + 4096 });
    expect(await sense(a, 0x0c)).toBe(`4c00000c00010308${'00001234'}02000000`);
    const vpd = await a.run([0x12, 1, 0xb2, 0, 64, 0]);
    expect(hexOf(vpd.dataIn)).toBe('00b200040be40200');
    expect(await sense((await ready()).a, 0x0c)).toBe('4c000000');
  });

  test('start-stop cycles and informational exceptions', async () => {
    const { a } = await ready();
    for (const start of [0, 1, 0]) await a.run([0x1b, 0, 0, 0, start, 0]);
    expect(await sense(a, 0x0e)).toBe('4e0000080004030400000002');
    expect(await sense(a, 0x2f)).toBe('6f000008000003040000ff00');
  });

  test('pages, subpages and saving that are not there are refused at their field', async () => {
    const { a } = await ready();
    expect(await sense(a, 0x0d)).toBe('5/24/00 205,0,2');
    expect(await sense(a, 0x03, { subpage: 1 })).toBe('5/24/00 192,0,3');
    expect(verdict(await a.run([0x4d, 1, 0x43]))).toBe('5/24/00');
    expect(await sense(a, 0, { allocation: 3 })).toBe('000000');
  });
});

describe('LOG SELECT', () => {
  test('PCR takes the counters of a page, or all, back to zero and tells the others', async () => {
    const { a, initiator } = await busy();
    const b = await initiator('b').settle();
    expect(verdict(await select(a, 0x03, { flags: 2 }))).toBe('good');
    expect(verdict(await b.run([0, 0]))).toBe('6/2a/02');
    expect(await sense(a, 0x03)).toBe(errorCounters('43', 0, 0));
    expect(await sense(a, 0x02)).toBe(errorCounters('42', 4096, 0));
    expect(verdict(await select(a, 0, { flags: 2 }))).toBe('good');
    expect(await sense(a, 0x02)).toBe(errorCounters('42', 0, 0));
    expect(await sense(a, 0x05)).toBe(errorCounters('45', 0, 0));
  });

  test('so does the default as page control; current values change nothing', async () => {
    const { a, initiator } = await busy();
    const b = await initiator('b').settle();
    expect(verdict(await select(a, 0x03, { control: 1 }))).toBe('good');
    expect(await sense(a, 0x03)).toBe(errorCounters('43', 2048, 1));
    expect(verdict(await b.run([0, 0]))).toBe('good');
    expect(verdict(await select(a, 0x03, { control: 3 }))).toBe('good');
    expect(await sense(a, 0x03)).toBe(errorCounters('43', 0, 0));
  });

  test('values cannot be set, nor saved', async () => {
    const { a } = await ready();
    const list = await a.run([0x4c, 0, 0x43, 0, 0, 0, 0, 0, 16, 0], { dataOut: filled(16, 0) });
    expect([verdict(list), fixedSense(list).special]).toEqual(['5/24/00', [0xcf, 0, 7]]);
    expect(verdict(await select(a, 0x03, { flags: 1 }))).toBe('5/24/00');
    expect(verdict(await select(a, 0x11))).toBe('5/24/00');
  });
});
