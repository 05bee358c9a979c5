// What is left of a connection when it has gone: nothing, neither a timer nor a session.
import { expect, test } from 'vitest';
import { Initiator } from '../../support/initiator/index.ts';
import { settle } from '../../support/pool-world.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:front';

test.each(['logs out', 'hangs up'])('an initiator that %s leaves no timer and no session', async (how) => {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await target.createLun({ name: 'disk', sizeBytes: 1 << 20, blockBytes: 512 });
  const initiator = new Initiator(target.connect());
  await initiator.login({ targetName: TARGET });
  expect(target.front.hub.sessions().length).toBe(1);
  expect(target.timers.pending).toBeGreaterThan(0);
  if (how === 'logs out') await initiator.logout();
  else initiator.close();
  await settle();
  expect(target.front.hub.sessions()).toEqual([]);
  expect(target.front.connections).toBe(0);
  expect(target.timers.pending).toBe(0);
});
