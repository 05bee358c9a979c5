// Export, import and diff through the real program, files and pipes.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Outcome, run } from '../support/child.ts';
import { type Server, SNAPLUN, startServer } from '../support/server.ts';

let server: Server;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snaplun-stream-'));
  server = await startServer({ args: ['--init', 'db:64M'] });
  await server.cli('snapshot', 'create', 'db', 'monday');
  await server.cli('snapshot', 'create', 'db', 'tuesday');
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

function shell(line: string): Promise<Outcome> {
  const snaplun = `'${process.execPath}' '${SNAPLUN}' --admin '${join(server.pool, 'admin.sock')}'`;
  return run('sh', ['-c', `cd '${folder}' && { ${line.replaceAll('snaplun', snaplun)}; }`]);
}

test('a stream goes through a file and through a pipe, and twice', async () => {
  expect(await shell('snaplun export db@monday > monday')).toMatchObject({ code: 0, stderr: '' });
  const imported = await shell('snaplun --json import copy < monday');
  expect(imported).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(imported.stdout)).toMatchObject({ name: 'copy', lun: 1, repeated: false });
  const next = await shell('snaplun export db@tuesday --from db@monday | snaplun import copy');
  expect(next).toMatchObject({ code: 0, stdout: expect.stringMatching(/^imported copy@tuesday/) });
  const again = await shell('snaplun export db@tuesday --from db@monday | snaplun import copy');
  expect(again.stdout).toMatch(/already; nothing was done/);
  expect(await server.cli('snapshot', 'list', 'copy')).toMatchObject([
    { name: 'monday' },
    { name: 'tuesday' },
  ]);
  expect(await server.cli('snapshot', 'diff', 'copy@monday', 'copy@tuesday')).toEqual([]);
});

test('a stream cut off, and one that never comes, are refused in a line', async () => {
  const whole = await readFile(join(folder, 'monday'));
  await writeFile(join(folder, 'short'), whole.subarray(0, whole.byteLength - 1));
  for (const line of ['snaplun import other < short', 'snaplun import other < /dev/null']) {
    const outcome = await shell(line);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^snaplun: [^\n]*cut off[^\n]*nothing was changed\n$/);
  }
  expect((await shell('snaplun export db@sunday > x')).stderr).toMatch(/no snapshot 'db@sunday'/);
  const luns = (await server.cli('lun', 'list')) as readonly { readonly name: string }[];
  expect(luns.map(({ name }) => name).sort()).toEqual(['copy', 'db']);
});

test('the pool is checked beside its server', async () => {
  expect(await server.cli('pool', 'check', '--data')).toMatchObject({ ok: true, errors: [] });
});

test('a refusal does not wait for a stream that stalls', async () => {
  const outcome = await shell(
    'begun=$(date +%s); (head -c 100 /dev/zero; sleep 12) | { snaplun import other; echo $(( $(date +%s) - begun )); }',
  );
  expect(outcome.stderr).toMatch(/no snaplun stream/);
  expect(Number(outcome.stdout)).toBeLessThan(10);
});
