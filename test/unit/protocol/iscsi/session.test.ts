// A whole session in memory: login, commands in both directions, ping, SendTargets, logout. The initiator
// of test/support checks numbering and order on its side.
import { expect, test } from 'vitest';
import { Initiator, MemoryTarget, TARGET_NAME, testDirectory } from '../../../support/initiator/index.ts';

const READ = Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0);

test('a normal session reads, writes, pings and logs out', async () => {
  const written: Uint8Array[] = [];
  const target = new MemoryTarget({
    directory: testDirectory(),
    run: (task) => {
      if (task.dataInBytesMax === 0) {
        written.push(task.dataOut.slice());
        return { status: 0, transferBytes: task.dataOut.length };
      }
      return { status: 0, dataIn: new Uint8Array(task.dataInBytesMax).fill(7), transferBytes: 4096 };
    },
  });
  const connection = target.connect();
  const initiator = new Initiator(connection.transport);
  const login = await initiator.login({ targetName: TARGET_NAME });
  expect(login.tsih).toBeGreaterThan(0);
  expect(login.answers.get('TargetPortalGroupTag')).toBe('1');
  expect(connection.session()).toMatchObject({ kind: 'normal', targetName: TARGET_NAME, tsih: login.tsih });

  const read = await initiator.command({ cdb: READ, dataInBytes: 4096 });
  expect(read).toMatchObject({ status: 0, residual: { kind: 'none' } });
  expect(read.dataIn).toEqual(new Uint8Array(4096).fill(7));

  const data = Uint8Array.from({ length: 3_000_001 }, (_, index) => (index * 31) & 0xff);
  const write = await initiator.command({ cdb: READ, dataOut: data });
  expect(write.status).toBe(0);
  expect(Buffer.from(data).equals(written[0] ?? data.subarray(1))).toBe(true);

  expect(await initiator.nop(Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  expect(await initiator.logout()).toBe(0);
  expect(initiator.closed).toBe(true);
  expect(target.registry.sessions).toBe(0);
  expect(connection.effects.at(-1)?.type).toBe('sessionClosed');
});

test('a discovery session lists targets and takes nothing else', async () => {
  const target = new MemoryTarget({ directory: testDirectory() });
  const initiator = new Initiator(target.connect().transport);
  await initiator.login({ skipSecurity: true });
  expect(await initiator.sendTargets()).toEqual([
    ['TargetName', 'iqn.2026-01.test:disk'],
    ['TargetAddress', '192.0.2.1:3260,1'],
    ['TargetName', 'iqn.2026-01.test:other'],
    ['TargetAddress', '192.0.2.1:3260,1'],
  ]);
  await expect(initiator.command({ cdb: READ, dataInBytes: 512 })).rejects.toMatchObject({ reason: 0x04 });
  await expect(initiator.nop()).rejects.toMatchObject({ reason: 0x04 });
  expect(await initiator.logout()).toBe(0);
});
