// Mode pages, against bytes put together by hand from SPC-4 §7.5 and SBC-3 §6.4–6.5.
import { describe, expect, test } from 'vitest';
import { MemoryState } from '../../../../../lun/memory-device.ts';
import { cdb10, filled, fixedSense, hexOf, type Initiator, ready, verdict } from '../harness.ts';

const CACHING = `881204${'00'.repeat(17)}`;
const CONTROL = '8a0a00100000' + '0000ffff0000';
const CONTROL_EXTENSION = `4a01001c03${'00'.repeat(27)}`;
const ALL_PAGES = `010a${'00'.repeat(10)}020e${'00'.repeat(14)}${CACHING}${CONTROL}1c0a${'00'.repeat(10)}`;

async function sense6(a: Initiator, page: number, control = 0, dbd = 0): Promise<string> {
  const result = await a.run([0x1a, dbd << 3, (control << 6) | page, 0, 255, 0]);
  return result.status === 0 ? hexOf(result.dataIn) : verdict(result);
}

function select6(a: Initiator, list: readonly number[], flags = 0x10): ReturnType<Initiator['run']> {
  return a.run([0x15, flags, 0, 0, list.length, 0], { dataOut: Uint8Array.from(list) });
}

const controlPage = (dSense: number, swp: number): number[] => [
  0x0a,
  0x0a,
  dSense,
  0x10,
  swp,
  0,
  0,
  0,
  0xff,
  0xff,
  0,
  0,
];
const cachingPage = (wce: number): number[] => [0x08, 0x12, wce, ...new Array<number>(17).fill(0)];

describe('MODE SENSE', () => {
  test('(6) of all pages, with a block descriptor', async () => {
    const { a } = await ready();
    expect(await sense6(a, 0x3f)).toBe(`530010080002000000000200${ALL_PAGES}`);
  });

  test('(6) without block descriptors', async () => {
    const { a } = await ready();
    expect(await sense6(a, 0x0a, 0, 1)).toBe(`0f001000${CONTROL}`);
  });

  test('(10), with a long LBA block descriptor where that is accepted', async () => {
    const { a } = await ready({ blockBytes: 4096, capacityBlocks: 5 });
    const short = await a.run([0x5a, 0, 0x08, 0, 0, 0, 0, 1, 0, 0]);
    expect(hexOf(short.dataIn)).toBe(`00220010000000080000000500001000${CACHING}`);
    const long = await a.run([0x5a, 0x10, 0x08, 0, 0, 0, 0, 1, 0, 0]);
    expect(hexOf(long.dataIn)).toBe(`002a00100100001000000000000000050000000000001000${CACHING}`);
  });

  test('of the soft thresholds, which follow the size of the space; no initiator changes them', async () => {
    const MiB = 1024 * 1024;
    let thresholds = [200 * MiB, 100 * MiB + 5];
    const { a, unit } = await ready({ thresholdsBytes: () => thresholds });
    const subpage = async (): Promise<string> =>
      hexOf((await a.run([0x1a, 0x08, 0x1c, 0x02, 255, 0])).dataIn);
    const header = `23001000${'5c02001c'}${'00'.repeat(12)}`;
    expect(await subpage()).toBe(`${header}80010000000000c8${'8001000000000064'}`);
    const other = [0x5c, 0x02, 0, 0x1c, ...new Array<number>(12).fill(0), 0, 1, 0, 0, 0, 0, 0, 9];
    const refused = await select6(a, [0, 0, 0, 0, ...other, 0x80, 1, 0, 0, 0, 0, 0, 0x64]);
    expect(verdict(refused)).toMatch(/26\/00/);
    thresholds = [400 * MiB, 200 * MiB];
    unit.tell('thresholds-changed');
    expect(verdict(await a.run([0, 0, 0, 0, 0, 0]))).toMatch(/2a\/01/);
    expect(await subpage()).toBe(`${header}8001000000000190${'80010000000000c8'}`);
  });

  test('changeable values are masks: WCE, D_SENSE, UA_INTLCK_CTRL and SWP', async () => {
    const { a } = await ready();
    expect(await sense6(a, 0x08, 1, 1)).toBe(`17001000881204${'00'.repeat(17)}`);
    expect(await sense6(a, 0x0a, 1, 1)).toBe(`0f0010008a0a0400380000000000000000`.slice(0, 32));
  });

  test('a write protected unit says so', async () => {
    const { a } = await ready({ readOnly: true });
    expect((await sense6(a, 0x0a)).slice(0, 8)).toBe('17009008');
  });

  test('unknown pages and subpages are refused at their field', async () => {
    const { a } = await ready();
    const page = await a.run([0x1a, 0, 0x05, 0, 255, 0]);
    expect([verdict(page), fixedSense(page).special]).toEqual(['5/24/00', [0xcd, 0, 2]]);
    const subpage = await a.run([0x1a, 0, 0x0a, 2, 255, 0]);
    expect([verdict(subpage), fixedSense(subpage).special]).toEqual(['5/24/00', [0xc0, 0, 3]]);
    const noSubpage = await a.run([0x1a, 0, 0x3f, 2, 255, 0]);
    expect([verdict(noSubpage), fixedSense(noSubpage).special]).toEqual(['5/24/00', [0xc0, 0, 3]]);
  });

  test('subpages: one, all of a page, and all of all pages', async () => {
    const { a } = await ready();
    const sense = async (page: number, subpage: number): Promise<string> =>
      hexOf((await a.run([0x1a, 8, page, subpage, 255, 0])).dataIn).slice(8);
    expect(await sense(0x0a, 1)).toBe(CONTROL_EXTENSION);
    expect(await sense(0x0a, 0xff)).toBe(CONTROL + CONTROL_EXTENSION);
    expect(await sense(0x3f, 0)).toBe(ALL_PAGES);
    expect(await sense(0x3f, 0xff)).toBe(ALL_PAGES.replace(CONTROL, CONTROL + CONTROL_EXTENSION));
  });
});

describe('MODE SELECT', () => {
  test('SWP protects until it is cleared, and other nexuses hear of it', async () => {
    const { a, initiator } = await ready();
    const b = await initiator('b').settle();
    expect(verdict(await select6(a, [0, 0, 0, 0, ...controlPage(0, 8)]))).toBe('good');
    expect(verdict(await b.run([0, 0, 0, 0, 0, 0]))).toBe('6/2a/01');
    expect(verdict(await a.run(cdb10(0x2a, 0, 1), { dataOut: filled(512, 1) }))).toBe('7/27/02');
    expect(verdict(await a.run(cdb10(0x28, 0, 1)))).toBe('good');
    expect((await sense6(a, 0x0a)).slice(0, 8)).toBe('17009008');
    expect(verdict(await select6(a, [0, 0, 0, 0, ...controlPage(0, 0)]))).toBe('good');
    expect(verdict(await a.run(cdb10(0x2a, 0, 1), { dataOut: filled(512, 1) }))).toBe('good');
  });

  test('without WCE every write is durable at once', async () => {
    const { a, unit } = await ready();
    await a.run(cdb10(0x2a, 0, 1), { dataOut: filled(512, 1) });
    expect(unit.device.fuaWrites).toBe(0);
    expect(verdict(await select6(a, [0, 0, 0, 0, ...cachingPage(0)]))).toBe('good');
    await a.run(cdb10(0x2a, 0, 1), { dataOut: filled(512, 1) });
    await a.run(cdb10(0x41, 0, 4), { dataOut: filled(512, 1) });
    expect(unit.device.fuaWrites).toBe(2);
  });

  test("without the operator's leave WCE is off and cannot be changed", async () => {
    const { a } = await ready({ writeCache: false });
    expect(await sense6(a, 0x08, 0, 1)).toBe(`170010000812${'00'.repeat(18)}`);
    expect(verdict(await select6(a, [0, 0, 0, 0, ...cachingPage(4)]))).toBe('5/26/00');
  });

  test('SP saves for the next start; without it a reset forgets', async () => {
    const state = new MemoryState();
    const first = await ready({ state });
    expect(verdict(await select6(first.a, [0, 0, 0, 0, ...cachingPage(0)], 0x11))).toBe('good');
    expect(verdict(await select6(first.a, [0, 0, 0, 0, ...controlPage(4, 0)]))).toBe('good');
    const second = await ready({ state });
    expect((await sense6(second.a, 0x08, 0, 1)).slice(8)).toBe(`881200${'00'.repeat(17)}`);
    expect((await sense6(second.a, 0x08, 3, 1)).slice(8)).toBe(`881200${'00'.repeat(17)}`);
    expect((await sense6(second.a, 0x08, 2, 1)).slice(8)).toBe(CACHING);
    expect((await sense6(second.a, 0x0a, 0, 1)).slice(8)).toBe(CONTROL);
  });

  test('SP saves what was changed before it, too', async () => {
    const state = new MemoryState();
    const first = await ready({ state });
    expect(verdict(await select6(first.a, [0, 0, 0, 0, ...controlPage(4, 0)]))).toBe('good');
    expect(verdict(await select6(first.a, [0, 0, 0, 0, ...cachingPage(4)], 0x11))).toBe('good');
    const { a } = await ready({ state });
    const saved = await a.run([0x1a, 8, 0xca, 0, 255, 0]);
    expect(hexOf(saved.dataIn).slice(8, 16)).toBe('8a0a0410');
  });

  test('a subpage as it is can be sent back; one that differs is refused at its byte', async () => {
    const { a } = await ready();
    const subpage = [...Buffer.from(CONTROL_EXTENSION, 'hex')];
    expect(verdict(await select6(a, [0, 0, 0, 0, ...subpage]))).toBe('good');
    subpage[4] = 0x01;
    const refused = await select6(a, [0, 0, 0, 0, ...subpage]);
    expect([verdict(refused), fixedSense(refused).special]).toEqual(['5/26/00', [0x80, 0, 8]]);
    expect(verdict(await select6(a, [0, 0, 0, 0, 0x4a, 1, 0]))).toBe('5/1a/00');
  });

  test('UA_INTLCK_CTRL: attentions stay until REQUEST SENSE, and statuses leave one', async () => {
    const { a, unit, initiator } = await ready();
    const requestSense = async (who: Initiator): Promise<string> =>
      hexOf((await who.run([3, 0, 0, 0, 18, 0])).dataIn).slice(24, 28);
    expect(verdict(await select6(a, [0, 0, 0, 0, ...controlPage(0, 0x10)]))).toBe('5/26/00');
    expect(verdict(await select6(a, [0, 0, 0, 0, ...controlPage(0, 0x20)]))).toBe('good');
    unit.tell('capacity-changed');
    for (let i = 0; i < 3; i += 1) expect(verdict(await a.run([0, 0]))).toBe('6/2a/09');
    expect([await requestSense(a), verdict(await a.run([0, 0]))]).toEqual(['2a09', 'good']);
    const b = initiator('b');
    expect([await requestSense(b), await requestSense(b)]).toEqual(['2900', '0000']);
    expect(verdict(await a.run([0x16]))).toBe('good');
    expect([verdict(await b.run([0, 0])), verdict(await b.run([0, 0]))]).toEqual(['conflict', 'conflict']);
    expect(verdict(await select6(a, [0, 0, 0, 0, ...controlPage(0, 0x30)]))).toBe('good');
    expect(await requestSense(b)).toBe('2a01');
    expect([verdict(await b.run([0, 0])), verdict(await b.run([0, 0]))]).toEqual(['conflict', '6/2c/09']);
  });

  test('lists that are too short', async () => {
    const { a } = await ready();
    for (const list of [
      [0, 0, 0],
      [0, 0, 0, 8, 1],
      [0, 0, 0, 0, 0x0a],
      [0, 0, 0, 0, ...controlPage(0, 0).slice(0, 11)],
    ]) {
      expect(verdict(await select6(a, list)), list.join()).toBe('5/1a/00');
    }
    expect(verdict(await select6(a, []))).toBe('good');
  });

  test('bits that cannot change, other forms and unknown pages are refused at their byte', async () => {
    const { a } = await ready();
    const cases: [number[], number[]][] = [
      [
        [0, 0, 0, 0, 0x0a, 0x0a, 0, 0x20, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
        [0x80, 0, 7],
      ],
      [
        [0, 0, 0, 0, 0x05, 0x02, 0, 0],
        [0x80, 0, 4],
      ],
      [
        [0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 2, 0],
        [0x80, 0, 4],
      ],
      [
        [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 16, 0],
        [0x80, 0, 9],
      ],
    ];
    for (const [list, special] of cases) {
      const result = await select6(a, list);
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/26/00', special]);
    }
    expect(verdict(await select6(a, [0, 0, 0, 0, ...controlPage(0, 0)], 0))).toBe('5/24/00');
    expect(verdict(await select6(a, [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0]))).toBe('good');
  });

  test('(10) with a long LBA block descriptor', async () => {
    const { a } = await ready();
    const list = [0, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, ...cachingPage(0)];
    const cdb = [0x55, 0x10, 0, 0, 0, 0, 0, 0, list.length, 0];
    expect(verdict(await a.run(cdb, { dataOut: Uint8Array.from(list) }))).toBe('good');
    expect((await sense6(a, 0x08, 0, 1)).slice(8)).toBe(`881200${'00'.repeat(17)}`);
  });
});
