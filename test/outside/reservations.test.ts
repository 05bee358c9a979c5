// What initiators leave with a disk lives in its pool: persistent reservations with APTPL, saved mode pages
// and identifying information are there after SIGKILL; without APTPL nothing is.
import { afterEach, expect, test } from 'vitest';
import { good, ScsiSession } from '../support/scsi-session.ts';
import { type Server, startServer } from '../support/server.ts';

const EXCLUSIVE_ACCESS = 3;
const APTPL = 0x01;
const KEY = 0xa1;

let server: Server | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

function cdb(...bytes: readonly number[]): Uint8Array {
  const whole = new Uint8Array(16);
  whole.set(bytes);
  return whole;
}

/** PERSISTENT RESERVE OUT with a basic list of 24 bytes (SPC-4 §6.16.3). */
function reserveOut(
  session: ScsiSession,
  action: number,
  how: { own: number; other: number; type?: number },
  flags = 0,
) {
  const dataOut = new Uint8Array(24);
  dataOut[7] = how.own;
  dataOut[15] = how.other;
  dataOut[20] = flags;
  return session.command({ cdb: cdb(0x5f, action, how.type ?? 0, 0, 0, 0, 0, 0, 24), dataOut });
}

const hexOf = async (session: ScsiSession, ...bytes: readonly number[]): Promise<string> =>
  Buffer.from(good(await session.command({ cdb: cdb(...bytes), dataInBytes: 64 })).dataIn).toString('hex');

const keys = (session: ScsiSession): Promise<string> => hexOf(session, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64);
const reservation = (session: ScsiSession): Promise<string> => hexOf(session, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64);

test('after SIGKILL', async () => {
  server = await startServer({ args: ['--init', 'disk0:16M'] });
  const holder = await ScsiSession.open(server);
  good(await reserveOut(holder, 0, { own: 0, other: KEY }, APTPL));
  good(await reserveOut(holder, 1, { own: KEY, other: 0, type: EXCLUSIVE_ACCESS }));
  // MODE SELECT(6) of the caching page with WCE off and SP; SET IDENTIFYING INFORMATION.
  const caching = Uint8Array.of(0, 0, 0, 0, 0x08, 0x12, ...new Array<number>(18).fill(0));
  good(await holder.command({ cdb: cdb(0x15, 0x11, 0, 0, caching.length), dataOut: caching }));
  good(
    await holder.command({ cdb: cdb(0xa4, 0x06, 0, 0, 0, 0, 0, 0, 0, 3), dataOut: Uint8Array.of(1, 2, 3) }),
  );
  const generation = '00000001';
  expect(await keys(holder)).toBe(`${generation}00000008${'00000000000000a1'}`);

  await server.restart('SIGKILL');

  const again = await ScsiSession.open(server);
  // PRGENERATION begins anew at every power on (SPC-4 §6.15.2).
  expect(await keys(again)).toBe(`0000000000000008${'00000000000000a1'}`);
  expect(await reservation(again)).toBe(`0000000000000010${'00000000000000a1'}00000000${'00030000'}`);
  const other = await ScsiSession.open(server, { nth: 1 });
  expect((await other.read({ lba: 0, blocks: 1 })).status).toBe(0x18);
  good(await again.read({ lba: 0, blocks: 1 }));
  expect((await hexOf(again, 0x1a, 8, 0xc8, 0, 64)).slice(8, 14)).toBe('881200');
  expect(await hexOf(again, 0xa3, 0x05, 0, 0, 0, 0, 0, 0, 0, 64)).toBe('00000003010203');

  good(await reserveOut(again, 0, { own: KEY, other: KEY }));
  await server.restart('SIGKILL');
  const third = await ScsiSession.open(server);
  expect([await keys(third), await reservation(third)]).toEqual(['0000000000000000', '0000000000000000']);
});
