// TransportIDs that name an initiator device instead of one of its ports (FORMAT CODE 00b, SPC-4 §7.6.4.6):
// SPEC_I_PT registers every port of it that is logged in, REGISTER AND MOVE cannot know which is meant.
import { describe, expect, test } from 'vitest';
import { Initiator, ready, u16, u32, verdict } from '../harness.ts';
import { keys, move, register, reserve, reserveIn, SPEC_I_PT } from './pr-cdbs.ts';

const WE = 1;
const DEVICE = 'iqn.2026-11.example:b';

function deviceId(name: string): number[] {
  const padded = [...Buffer.from(name), 0];
  while (padded.length % 4 !== 0 || padded.length < 20) padded.push(0);
  return [0x05, 0, ...u16(padded.length), ...padded];
}

/** Initiator a with one port; initiator b with the ports of two ISIDs. */
async function hosts() {
  const bench = await ready();
  const port = (isid: string): Initiator => {
    const initiator = { portName: `${DEVICE},i,0x${isid}`, deviceName: DEVICE };
    return new Initiator(bench.target.openNexus(initiator));
  };
  return { a: bench.a, b: [await port('00023d000001').settle(), await port('00023d000002').settle()] };
}

describe('a TransportID of an initiator device', () => {
  test('with SPEC_I_PT registers each of its ports', async () => {
    const { a, b } = await hosts();
    const id = deviceId(DEVICE.toUpperCase());
    const more = [...u32(id.length), ...id];
    expect(verdict(await register(a, 0n, 0xa1n, { flags: SPEC_I_PT, more }))).toBe('good');
    expect(await keys(a)).toEqual([1, 'a1', 'a1', 'a1']);
    expect(verdict(await reserve(a, 0xa1n, WE))).toBe('good');
    // Each can change its key, so each is registered.
    for (const one of b) expect(verdict(await register(one, 0xa1n, 0xb1n))).toBe('good');
    const full = Buffer.from(await reserveIn(a, 3), 'hex').toString('latin1');
    for (const isid of ['00023d000001', '00023d000002']) expect(full).toContain(`${DEVICE},i,0x${isid}`);
  });

  test('of which no port is known registers nothing, and says where it stands', async () => {
    const { a } = await hosts();
    const id = deviceId('iqn.2026-11.example:nobody');
    const result = await register(a, 0n, 0xa1n, { flags: SPEC_I_PT, more: [...u32(id.length), ...id] });
    expect([verdict(result), ...(result.sense ?? []).slice(15, 18)]).toEqual(['5/26/00', 0x80, 0, 28]);
    expect(await keys(a)).toEqual([0]);
  });

  test('is no place to move a reservation to', async () => {
    const { a } = await hosts();
    await register(a, 0n, 0xa1n);
    await reserve(a, 0xa1n, WE);
    expect(verdict(await move(a, [0xa1n, 0xb1n], { to: deviceId(DEVICE) }))).toBe('5/26/00');
    expect((await keys(a)).slice(1)).toEqual(['a1']);
  });
});
