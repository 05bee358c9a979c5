// Asymmetric access: what is reported, what an initiator may set, and which commands run in which state.
// The lists of commands are transcribed from SPC-4 §5.15.2.4 by hand, apart from the rows.
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../../../protocol/scsi/commands.ts';
import { cdb10, fixedSense, hexOf, type Initiator, ready, u16, u32, verdict } from '../harness.ts';

const [OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE] = [0, 1, 2, 3];

const report = async (a: Initiator, format = 0): Promise<string> =>
  hexOf((await a.run([0xa3, 0x0a | (format << 5), 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])).dataIn);

function set(a: Initiator, ...descriptors: readonly (readonly number[])[]): ReturnType<Initiator['run']> {
  const list = [0, 0, 0, 0, ...descriptors.flat()];
  return a.run([0xa4, 0x0a, 0, 0, 0, 0, ...u32(list.length), 0, 0], { dataOut: Uint8Array.from(list) });
}

const group = (state: number, tag = 1): number[] => [state, 0, ...u16(tag)];

/** Commands that run in standby (SPC-4 §5.15.2.4.4); those of the second list in unavailable too. */
const IN_STANDBY = [
  ...['MODE SENSE(6)', 'MODE SENSE(10)', 'MODE SELECT(6)', 'MODE SELECT(10)', 'LOG SENSE', 'LOG SELECT'],
  ...['SEND DIAGNOSTIC', 'RECEIVE DIAGNOSTIC RESULTS'],
];
const IN_UNAVAILABLE = [
  ...['INQUIRY', 'REPORT LUNS', 'REQUEST SENSE', 'REPORT TARGET PORT GROUPS', 'SET TARGET PORT GROUPS'],
  ...['READ BUFFER', 'WRITE BUFFER'],
];

describe('REPORT TARGET PORT GROUPS', () => {
  test('one group, active/optimized, with one port, and four states it can be in', async () => {
    const { a } = await ready();
    expect(await report(a)).toBe(`0000000c${'000f000100000001'}00000001`);
  });

  test('with the extended header', async () => {
    const { a } = await ready();
    expect(await report(a, 1)).toBe(`00000010${'10000000'}${'000f000100000001'}00000001`);
    expect(await report(a, 2)).toBe('');
  });
});

describe('SET TARGET PORT GROUPS', () => {
  test('sets the state, says who did, and tells the others once', async () => {
    const { a, initiator } = await ready();
    const b = await initiator('b').settle();
    expect(verdict(await set(a, group(NON_OPTIMIZED as number)))).toBe('good');
    expect(await report(a)).toBe(`0000000c${'010f000100010001'}00000001`);
    expect([verdict(await b.run([0, 0])), verdict(await b.run([0, 0]))]).toEqual(['6/2a/06', 'good']);
    expect(verdict(await set(a, group(NON_OPTIMIZED as number)))).toBe('good');
    expect([verdict(await a.run([0, 0])), verdict(await b.run([0, 0]))]).toEqual(['good', 'good']);
    expect(verdict(await b.run(cdb10(0x28, 0, 1)))).toBe('good');
  });

  test('lists that cannot be taken change nothing', async () => {
    const { a } = await ready();
    for (const [descriptors, special] of [
      [[group(4)], [0x8b, 0, 4]],
      [[group(0x0e)], [0x8b, 0, 4]],
      [[group(2, 2)], [0x80, 0, 6]],
      [
        [group(2), group(2)],
        [0x80, 0, 10],
      ],
    ] as const) {
      const result = await set(a, ...descriptors);
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/26/00', special]);
    }
    expect(verdict(await set(a, [0, 0]))).toBe('5/1a/00');
    expect(verdict(await set(a))).toBe('good');
    expect(verdict(await a.run([0xa4, 0x0a]))).toBe('good');
    expect((await report(a)).slice(8, 20)).toBe('000f00010000');
  });

  test.each([
    [STANDBY, '2/04/0b', [...IN_STANDBY, ...IN_UNAVAILABLE], /^PERSISTENT RESERVE/],
    [UNAVAILABLE, '2/04/0c', IN_UNAVAILABLE, /^$/],
  ] as const)(
    'in state %i the commands of the standard run, and the others say why not',
    async (...given) => {
      const [state, why, runs, also] = given;
      const { a } = await ready({ removable: true });
      expect(verdict(await set(a, group(state as number)))).toBe('good');
      for (const { name, opcode, serviceAction = 0 } of COMMANDS.rows) {
        if (name === 'SET TARGET PORT GROUPS') continue;
        const said = verdict(await a.run([opcode, serviceAction]));
        if (runs.includes(name) || also.test(name)) expect(said, name).not.toBe(why);
        else expect(said, name).toBe(why);
      }
      expect(verdict(await set(a, group(OPTIMIZED as number)))).toBe('good');
      expect(verdict(await a.run(cdb10(0x28, 0, 1)))).toBe('good');
    },
  );
});
