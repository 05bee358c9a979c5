// What a login and SendTargets are told of the targets: who is let in to which, and where a target is (RFC
// 7143 Appendix C, §11.13.5): the address by which the initiator came, and the others that it can reach, over
// IPv4 and IPv6.
import { describe, expect, test } from 'vitest';
import type { TargetAddress } from '../../../protocol/iscsi/directory.ts';
import { Portal } from '../../../src/shell/portal.ts';
import { targetDirectory } from '../../../src/targets/directory.ts';
import type { TargetDocument } from '../../../src/targets/documents.ts';
import { connectSocket, Initiator } from '../../support/initiator/index.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:directory';

/** `address:port,tag` taken apart. */
function grouped(text: string): TargetAddress {
  const [, address = '', tag] = /^(.*),(\d+)$/.exec(text) ?? [];
  return { address, portalGroupTag: Number(tag) };
}

async function addresses(
  localAddress: string,
  portals: readonly string[],
  advertise: readonly string[] = [],
): Promise<readonly string[]> {
  const { targets } = (await WholeTarget.open({ defaultTarget: TARGET })).front;
  const directory = targetDirectory({
    targets,
    advertise: () => advertise.map(grouped),
    portals: () => portals.map(grouped),
    accepting: () => true,
  });
  const { address, portalGroupTag } = grouped(localAddress);
  const asker = {
    ...{ initiatorName: 'iqn.a', localAddress: address, remoteAddress: '192.0.2.9:1', portalGroupTag },
  };
  return directory
    .list(asker)
    .flatMap((listing) =>
      listing.addresses.map(({ address, portalGroupTag }) => `${address},${portalGroupTag}`),
    );
}

describe('who is let in', () => {
  const OPEN = 'iqn.2026-11.io.snaplun:open';
  const CLOSED = 'iqn.2026-11.io.snaplun:closed';
  const asker = (initiatorName: string) => ({
    ...{ initiatorName, localAddress: '192.0.2.1:3260', remoteAddress: '192.0.2.9:1', portalGroupTag: 1 },
  });

  /** One target for everyone, and one with a CHAP secret for iqn.a alone. */
  async function furnished(accepting = true) {
    const { targets } = (await WholeTarget.open({ defaultTarget: OPEN })).front;
    await targets.create(CLOSED, undefined);
    const change = async (name: string, what: Partial<TargetDocument>): Promise<void> => {
      const document = { ...targets.document(name), ...what };
      await targets.change({ [targets.get(name).documentName]: document });
    };
    const chapInbound = { name: 'user', secretHex: Buffer.from('a secret of 16 B').toString('hex') };
    await change(CLOSED, { allowedInitiators: ['iqn.a'], chapInbound });
    const portals = () => [grouped('192.0.2.1:3260,1')];
    const options = { targets, advertise: () => [], portals, accepting: () => accepting };
    return { targets, change, directory: targetDirectory(options) };
  }

  test('an access list shuts everyone else out, whatever the case of the names', async () => {
    const { directory } = await furnished();
    const kinds = (name: string): readonly string[] =>
      [OPEN, CLOSED.toUpperCase(), 'iqn.none'].map((target) => directory.find(target, asker(name)).kind);
    expect(kinds('iqn.A')).toEqual(['found', 'found', 'not-found']);
    expect(kinds('iqn.b')).toEqual(['found', 'forbidden', 'not-found']);
  });

  test('discovery names to each initiator what it may use, and nothing else', async () => {
    const { directory, change } = await furnished();
    const names = (name: string): readonly string[] =>
      directory.list(asker(name)).map(({ targetName }) => targetName);
    expect([names('iqn.a'), names('iqn.b')]).toEqual([[OPEN, CLOSED], [OPEN]]);
    await change(OPEN, { allowedInitiators: [] });
    expect([names('iqn.a'), names('iqn.b')]).toEqual([[CLOSED], []]);
  });

  test('discovery wants a secret where there is no target without one that the initiator may use', async () => {
    const { directory, change } = await furnished();
    expect(directory.discovery(asker('iqn.a')).method).toBe('none');
    await change(OPEN, { allowedInitiators: ['iqn.c'] });
    const methods = ['iqn.a', 'iqn.b', 'iqn.c'].map((name) => directory.discovery(asker(name)).method);
    expect(methods).toEqual(['chap', 'chap', 'none']);
  });

  test('a target that moved, one that was removed, and a server that stops', async () => {
    const { targets, directory, change } = await furnished();
    await change(OPEN, { redirect: { address: '192.0.2.7:3260', permanent: true } });
    const moved = { kind: 'moved', address: '192.0.2.7:3260', permanent: true };
    expect(directory.find(OPEN, asker('iqn.b'))).toEqual(moved);
    await change(CLOSED, { redirect: { address: '192.0.2.8:3260', permanent: false } });
    // Who may not log in is not told where to.
    expect(directory.find(CLOSED, asker('iqn.b'))).toEqual({ kind: 'forbidden' });
    await targets.remove(CLOSED);
    expect(directory.find(CLOSED, asker('iqn.a')).kind).toBe('removed');
    expect((await furnished(false)).directory.find(OPEN, asker('iqn.a')).kind).toBe('unavailable');
  });
});

describe('the addresses of a target', () => {
  test('one by which the initiator came, then the other portals, each with its group', async () => {
    const portals = ['192.0.2.1:3260,1', '198.51.100.1:3260,2', '[2001:db8::1]:3260,1'];
    expect(await addresses('198.51.100.1:3260,2', portals)).toEqual([
      ...['198.51.100.1:3260,2', '192.0.2.1:3260,1', '[2001:db8::1]:3260,1'],
    ]);
  });

  test('no wildcard, and no loopback for who came from elsewhere', async () => {
    const portals = ['0.0.0.0:3260,1', '[::]:3260,1', '127.0.0.1:3261,1', '[::1]:3261,1'];
    expect(await addresses('192.0.2.1:3260,1', portals)).toEqual(['192.0.2.1:3260,1']);
    expect(await addresses('127.0.0.1:3261,1', portals)).toEqual(['127.0.0.1:3261,1', '[::1]:3261,1']);
  });

  test('what the operator advertises and nothing else, where there is such a thing', async () => {
    expect(await addresses('192.0.2.1:3260,1', ['192.0.2.1:3260,1'], ['gw.example:3260,7'])).toEqual([
      'gw.example:3260,7',
    ]);
  });
});

test('a discovery and a session over IPv6', async () => {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  const { front } = target;
  const portal = await Portal.open(
    { host: '::1', port: 0 },
    {
      accept: (socket, receiver) => front.accept(socket, { receiver }),
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
