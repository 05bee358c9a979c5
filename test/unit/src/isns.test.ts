// What an iSNS server hears of this one (RFC 4171 §5.6.5.1, §5.6.5.4), told by a small server that shares
// no code with the client: registration, change, refusal, and the end.
import { afterEach, expect, test } from 'vitest';
import { IsnsClient } from '../../../src/isns/client.ts';
import { describeEntity } from '../../../src/isns/entity.ts';
import { IsnsServer } from '../../support/isns-server.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:first';
const SECOND = 'iqn.2026-11.io.snaplun:second';
const PORTALS = [
  { address: '192.0.2.1:3260', portalGroupTag: 1 },
  { address: '[2001:db8::1]:3261', portalGroupTag: 2 },
  { address: '0.0.0.0:3262', portalGroupTag: 1 },
];

let server: IsnsServer;
afterEach(() => server.close());

async function client(): Promise<{
  readonly isns: IsnsClient;
  readonly target: WholeTarget;
  readonly log: string[];
}> {
  server = await IsnsServer.open();
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  const { targets } = target.front;
  const log: string[] = [];
  const say = (message: string): void => void log.push(message);
  const clock = { nowMs: () => 0, wallMs: () => 0, after: () => () => undefined, defer: queueMicrotask };
  const isns = new IsnsClient({
    server: { host: '127.0.0.1', port: server.port },
    entity: () => describeEntity({ targets, advertise: [], portals: PORTALS }),
    clock,
    log: { error: say, warn: say, info: say, debug: say, close: async () => undefined },
  });
  return { isns, target, log };
}

test('the entity, its portals and its targets are registered, in place of what was there before', async () => {
  const { isns } = await client();
  await isns.refresh();
  expect(server.messages).toEqual([
    {
      // Client, replace, last and first PDU (RFC 4171 §5.1.4).
      ...{ version: 1, function: 0x0001, flags: 0x9c00, transaction: 1 },
      attributes: [
        [32, TARGET],
        [1, TARGET],
        [0, ''],
        [1, TARGET],
        [2, '00000002'],
        [16, '00000000000000000000ffffc0000201'],
        [17, '00000cbc'],
        [16, '20010db8000000000000000000000001'],
        [17, '00000cbd'],
        // The group, and the nodes that are in it there; group 1 needs no word.
        [51, '00000002'],
        [48, TARGET],
        [32, TARGET],
        [33, '00000001'],
      ],
    },
  ]);
});

test('the same again replaces nothing; a target more does, with its alias', async () => {
  const { isns, target } = await client();
  await isns.refresh();
  await isns.refresh();
  await target.front.targets.create(SECOND, 'the second');
  await isns.refresh();
  expect(server.messages.map(({ flags }) => flags)).toEqual([0x9c00, 0x8c00, 0x9c00]);
  expect(server.messages[2]?.attributes.slice(-3)).toEqual([
    [32, SECOND],
    [33, '00000001'],
    [34, 'the second'],
  ]);
});

test('a stop takes the entity back; where nothing was registered, nothing is', async () => {
  const { isns } = await client();
  await isns.stop();
  expect(server.messages).toEqual([]);
  await isns.refresh();
  await isns.stop();
  expect(server.messages.at(-1)).toMatchObject({
    ...{ function: 0x0004, flags: 0x8c00, transaction: 2 },
    attributes: [
      [32, TARGET],
      [0, ''],
      [1, TARGET],
    ],
  });
});

test('a server that refuses is said once, and again only after it had accepted', async () => {
  const { isns, log } = await client();
  server.status = 10;
  await isns.refresh();
  await isns.refresh();
  expect(log.length).toBe(1);
  server.status = 0;
  await isns.refresh();
  server.status = 10;
  await isns.refresh();
  expect(log.length).toBe(2);
});
