// What SendTargets says of where a target is (RFC 7143 Appendix C): the address by which the initiator
// came, and the others that it can reach, over IPv4 and IPv6.
import { describe, expect, test } from 'vitest';
import { Portal } from '../../../src/shell/portal.ts';
import { targetDirectory } from '../../../src/targets/directory.ts';
import { connectSocket, Initiator } from '../../support/initiator/index.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:directory';

async function addresses(
  localAddress: string,
  portals: readonly string[],
  advertise: readonly string[] = [],
): Promise<readonly string[]> {
  const { targets } = (await WholeTarget.open({ defaultTarget: TARGET })).front;
  const directory = targetDirectory({ targets, advertise, portals: () => portals, accepting: () => true });
  const asker = { initiatorName: 'iqn.a', localAddress, remoteAddress: '192.0.2.9:1' };
  return directory
    .list(asker)
    .flatMap((listing) =>
      listing.addresses.map(({ address, portalGroupTag }) => `${address},${portalGroupTag}`),
    );
}

describe('the addresses of a target', () => {
  test('one by which the initiator came, then the other portals, all of one group', async () => {
    const portals = ['192.0.2.1:3260', '198.51.100.1:3260', '[2001:db8::1]:3260'];
    expect(await addresses('198.51.100.1:3260', portals)).toEqual([
      ...['198.51.100.1:3260,1', '192.0.2.1:3260,1', '[2001:db8::1]:3260,1'],
    ]);
  });

  test('no wildcard, and no loopback for who came from elsewhere', async () => {
    const portals = ['0.0.0.0:3260', '[::]:3260', '127.0.0.1:3261', '[::1]:3261'];
    expect(await addresses('192.0.2.1:3260', portals)).toEqual(['192.0.2.1:3260,1']);
    expect(await addresses('127.0.0.1:3261', portals)).toEqual(['127.0.0.1:3261,1', '[::1]:3261,1']);
  });

  test('what the operator advertises and nothing else, where there is such a thing', async () => {
    expect(await addresses('192.0.2.1:3260', ['192.0.2.1:3260'], ['gw.example:3260'])).toEqual([
      'gw.example:3260,1',
    ]);
  });
});

test('a discovery and a session over IPv6', async () => {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  const { front } = target;
  const portal = await Portal.open(
    { host: '::1', port: 0 },
    {
      accept: (socket, receiver) => front.accept(socket, receiver),
      buffers: front.hub.buffers,
      onFull: () => expect.fail('nothing is full'),
    },
  );
  const port = Number(/\]:(\d+)$/.exec(portal.address)?.[1]);
  const discovery = new Initiator(await connectSocket({ host: '::1', port }));
  await discovery.login({});
  const told = [
    ['TargetName', TARGET],
    ['TargetAddress', `[::1]:${port},1`],
  ];
  expect(await discovery.sendTargets()).toEqual(told);
  await discovery.logout();
  const session = new Initiator(await connectSocket({ host: '::1', port }));
  await session.login({ targetName: TARGET });
  expect(front.hub.sessions()[0]?.facts.remoteAddress).toMatch(/^\[::1\]:\d+$/);
  await session.logout();
  portal.close();
});
