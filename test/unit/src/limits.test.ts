// Floods, slow logins, half-open connections and logins without end, over real sockets and with the clock
// in the test's hands: all of them end within the limits, and others are served meanwhile.
import { connect, type Socket } from 'node:net';
import { LoginRequest, LoginResponse } from 'node-iscsi-pdu';
import { afterEach, describe, expect, test } from 'vitest';
import { Portal } from '../../../src/shell/portal.ts';
import { Throttle } from '../../../src/shell/throttle.ts';
import { connectSocket, Initiator, PduLink } from '../../support/initiator/index.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:limits';
const LOGINS_PER_SOURCE = 16;
const LOGIN_TIMEOUT_MS = 15_000;

interface Door {
  readonly target: WholeTarget;
  readonly port: number;
}

const portals: Portal[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const portal of portals.splice(0)) portal.close();
});

async function open(): Promise<Door> {
  const limits = { loginsPerSourceMax: LOGINS_PER_SOURCE };
  const target = await WholeTarget.open({ defaultTarget: TARGET, limits });
  const { front } = target;
  const portal = await Portal.open(
    { host: '127.0.0.1', port: 0 },
    {
      accept: (socket, receiver) => front.accept(socket, { receiver }),
      buffers: front.hub.buffers,
      onFull: (peer) => front.refused(peer, 'full'),
    },
  );
  portals.push(portal);
  return { target, port: Number(portal.address.split(':')[1]) };
}

/** A connection that says nothing by itself. */
async function knock({ port }: Door): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.resume();
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return socket;
}

/** Turns of the real loop until it is so. The sockets are real, so packets take some; time is not asked. */
async function until(what: () => boolean): Promise<void> {
  for (let turn = 0; !what(); turn += 1) {
    if (turn > 5_000) expect.fail('it never came to that');
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }
}

async function login({ port }: Door): Promise<Initiator> {
  const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port }));
  await initiator.login({ targetName: TARGET });
  return initiator;
}

const refusals = ({ target }: Door): number =>
  target.lines.filter(({ fields }) => fields['event'] === 'connection-refused').length;

describe('connections that do not log in', () => {
  test('a flood from one address is cut at its limit, said once, and over when it goes', async () => {
    const door = await open();
    const flood = await Promise.all(Array.from({ length: 60 }, () => knock(door)));
    await until(() => flood.filter(({ closed }) => closed).length === 60 - LOGINS_PER_SOURCE);
    expect(door.target.front.connections).toBe(LOGINS_PER_SOURCE);
    expect(refusals(door)).toBe(1);
    for (const socket of flood) socket.destroy();
    await until(() => door.target.front.connections === 0);
    const initiator = await login(door);
    expect(await initiator.logout()).toBe(0);
  });

  test('sessions do not count: they are not what a flood is made of', async () => {
    const door = await open();
    const sessions: Initiator[] = [];
    for (let nth = 0; nth < 2 * LOGINS_PER_SOURCE; nth += 1) {
      const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port: door.port }));
      const isid = Uint8Array.of(0x80, 0, 0, 5, 0, nth);
      await initiator.login({ targetName: TARGET, isid });
      sessions.push(initiator);
    }
    expect(door.target.front.hub.sessions().length).toBe(2 * LOGINS_PER_SOURCE);
    for (const session of sessions) await session.logout();
    expect(refusals(door)).toBe(0);
  });

  test.each([
    ['says nothing', []],
    ['says one byte', [Uint8Array.of(0x43)]],
    ['says half a header and no more', [new Uint8Array(24)]],
    [
      'announces text that never comes',
      [Uint8Array.of(0x43, 0x87, 0, 0, 0, 0, 0x1f, 0xf0), new Uint8Array(40)],
    ],
  ])('one that %s is cut when its time is over', async (_, bytes) => {
    const door = await open();
    const socket = await knock(door);
    for (const chunk of bytes) socket.write(chunk);
    await until(() => door.target.front.connections === 1);
    await door.target.advance(LOGIN_TIMEOUT_MS - 1);
    expect(socket.closed).toBe(false);
    await door.target.advance(1);
    await until(() => socket.closed && door.target.front.connections === 0);
    expect(door.target.timers.pending).toBe(0);
  });

  test('one that shuts its half of the connection is gone at once', async () => {
    const door = await open();
    const socket = await knock(door);
    await until(() => door.target.front.connections === 1);
    socket.end();
    await until(() => door.target.front.connections === 0);
  });

  test('a login that never comes to its end is refused after so many requests', async () => {
    const door = await open();
    const link = new PduLink(await connectSocket({ host: '127.0.0.1', port: door.port }));
    const statuses: number[] = [];
    link.onFrame((frame) => {
      statuses.push(LoginResponse.decode(frame.bhs).status);
      if (statuses.length < 100) link.send(LoginRequest, { csg: 1, continue: true, cmdSN: 1 });
    });
    link.send(LoginRequest, { csg: 1, continue: true, cmdSN: 1 });
    await until(() => link.closed);
    expect([statuses.length, statuses.at(-1)]).toEqual([65, 0x0200]);
  });
});

test('a refused login that comes again and again is in the log so often in a minute, then counted', async () => {
  const door = await open();
  for (let nth = 0; nth < 50; nth += 1) {
    const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port: door.port }));
    await expect(initiator.login({ targetName: 'iqn.2026-11.io.snaplun:none' })).rejects.toThrow();
  }
  const lines = () => door.target.lines.filter(({ fields }) => fields['event'] === 'login-refused');
  expect(lines().length).toBe(30);
  await door.target.advance(60_000);
  const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port: door.port }));
  await expect(initiator.login({ targetName: 'iqn.2026-11.io.snaplun:none' })).rejects.toThrow();
  expect(lines().at(-1)?.fields['suppressed']).toBe(20);
});

test('the throttle knows a bounded number of kinds', () => {
  const throttle = new Throttle(1);
  for (let kind = 0; kind < 5_000; kind += 1)
    expect(throttle.admit(String(kind), 0)).toEqual({ suppressed: 0 });
  expect(throttle.admit('4999', 1)).toBeUndefined();
  expect(throttle.admit('0', 1)).toEqual({ suppressed: 0 });
  expect(throttle.admit('4999', 60_000)).toEqual({ suppressed: 1 });
});
