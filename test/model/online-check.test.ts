// The check beside a serving pool: it sees a sound state while everything changes, it sees damage, no
// checkpoint comes between, and it gives way before the pool suffers.
import { expect, test } from 'vitest';
import { fill, newPool, range, settle } from '../support/pool-world.ts';

const SIZE_BYTES = 64 * 1024 * 1024;

test('is right while commands, checkpoints and deletes go on', async () => {
  const { pool, environment } = await newPool({ checkpointDirtyPages: 40, reclaimPagesPerStep: 2 });
  await pool.createVlun({ name: 'V', sizeBytes: SIZE_BYTES });
  const { device } = pool.unit('V');
  for (let i = 0; i < 60; i += 1) await fill(device, range(i * 2048, 64), 1);
  await pool.createSnapshots([{ vlun: 'V', snapshot: 's' }]);
  let ended = false;
  const checked = pool.check({ data: true }).finally(() => {
    ended = true;
  });
  await pool.deleteSnapshot({ vlun: 'V', snapshot: 's' });
  let writes = 0;
  let checkpoint: Promise<void> | undefined;
  while (!ended && writes < 5000) {
    await fill(device, range((writes % 60) * 2048 + 8, 16), 2);
    writes += 1;
    if (writes === 20) checkpoint = pool.checkpoint();
    await environment.advance(1);
  }
  expect(await checked).toMatchObject({ ok: true, errors: [], vluns: 1 });
  expect(writes).toBeGreaterThan(20);
  await checkpoint;
  expect(await pool.check({ data: false })).toMatchObject({ ok: true });
});

test('finds a block that went bad, and a table page', async () => {
  const { pool, medium } = await newPool();
  await pool.createVlun({ name: 'V', sizeBytes: SIZE_BYTES });
  await fill(pool.unit('V').device, range(0, 64), 1);
  await pool.checkpoint();
  const [page] = await medium.meta.scan({ from: Buffer.from('t'), to: Buffer.from('u'), limit: 1 });
  const place = Buffer.from(page?.value ?? []).readUIntLE(49, 5);
  await medium.data.write([{ place, bytes: new Uint8Array(4096).fill(9) }]);
  const report = await pool.check({ data: true });
  expect(report.errors).toEqual([expect.stringMatching(/^I16: block 0 of image/)]);
  expect((await pool.check({ data: false })).ok).toBe(true);
  const value = Uint8Array.from(page?.value ?? []);
  value[60] = 0xff;
  await medium.meta.commit([{ key: page?.key as Uint8Array, value }]);
  expect((await pool.check({ data: false })).ok).toBe(false);
});

test('gives way when the pool gains more than it should hold back', async () => {
  const { pool } = await newPool({ checkpointDirtyPages: 4 });
  await pool.createVlun({ name: 'V', sizeBytes: SIZE_BYTES });
  const { device } = pool.unit('V');
  for (let i = 0; i < 60; i += 1) await fill(device, range(i * 2048, 8), 1);
  const checked = pool.check({ data: true }).then(
    () => 'ended',
    (error: Error) => error.message,
  );
  for (let i = 0; i < 60; i += 1) await fill(device, range(i * 2048, 8), 2);
  expect(await checked).toMatch(/^the check was broken off, for the pool is written to faster/);
  await settle();
  await fill(device, range(0, 8), 3);
  await pool.checkpoint();
  expect((await pool.check({ data: true })).ok).toBe(true);
});

test('ends with the pool', async () => {
  const { pool } = await newPool();
  await pool.createVlun({ name: 'V', sizeBytes: SIZE_BYTES });
  await fill(pool.unit('V').device, range(0, 640), 1);
  const checked = pool.check({ data: true });
  const refused = expect(checked).rejects.toThrow(/closed/);
  await settle(3);
  await pool.close();
  await refused;
});
