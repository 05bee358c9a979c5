/**
 * Snapshots from one server to another through pipes of a real shell: what arrives is, block for block, what
 * plain arrays say that an initiator wrote; what breaks off, on either side, changes nothing and can be done
 * again.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ask } from '../../src/admin/client.ts';
import { type Exit, ended, type Outcome, run, startChild } from '../support/child.ts';
import { type Random, seededRandom } from '../support/random.ts';
import { good, ScsiSession } from '../support/scsi-session.ts';
import { type Server, SNAPLUN, startServer } from '../support/server.ts';

// Each line of a shell starts two programs or three.
vi.setConfig({ testTimeout: 60_000 });

const SEED = 20_261_126;
const SECTOR_BYTES = 512;
const SECTORS = 4 * 2048;
/** Where the imported snapshots are mapped. */
const FIRST_SNAPSHOT_LUN = 20;

let from: Server;
let to: Server;
let folder: string;
/** What each snapshot of db holds. */
const model = new Map<string, Buffer>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snaplun-pipe-'));
  from = await startServer({ args: ['--init', 'db:4M'] });
  to = await startServer();
  const random = seededRandom(SEED);
  const session = await ScsiSession.open(from);
  let bytes = Buffer.alloc(SECTORS * SECTOR_BYTES);
  for (const name of ['a', 'b', 'c']) {
    await changed(session, bytes, random);
    await from.cli('snapshot', 'create', 'db', name);
    model.set(name, Buffer.from(bytes));
    if (name !== 'a') continue;
    await from.cli('lun', 'resize', 'db', '5M');
    bytes = Buffer.concat([bytes, Buffer.alloc(1024 * 1024)]);
    // CAPACITY DATA HAS CHANGED.
    await session.testUnitReady();
  }
  await session.close();
});

afterAll(async () => {
  await from.stop();
  await to.stop();
  await rm(folder, { recursive: true });
});

/** Writes and unmaps here and there, and the same in the model. */
async function changed(session: ScsiSession, bytes: Buffer, random: Random): Promise<void> {
  for (let i = 0; i < 30; i += 1) {
    const blocks = random.between(1, 300);
    const lba = random.below(bytes.byteLength / SECTOR_BYTES - blocks);
    const data = random.chance(0.25)
      ? Buffer.alloc(blocks * SECTOR_BYTES)
      : random.bytes(blocks * SECTOR_BYTES);
    if (data.every((byte) => byte === 0)) good(await session.unmap([{ lba, blocks }]));
    else good(await session.write(lba, data));
    bytes.set(data, lba * SECTOR_BYTES);
  }
}

const socketOf = (server: Server): string => join(server.pool, 'admin.sock');

/** A line in which `FROM` and `TO` are the program, asking either server. */
function shell(line: string): Promise<Outcome> {
  const program = (server: Server): string =>
    `'${process.execPath}' '${SNAPLUN}' --admin '${socketOf(server)}'`;
  const words = line.replaceAll('FROM', program(from)).replaceAll('TO', program(to));
  return run('sh', ['-c', `cd '${folder}' && { ${words}; }`]);
}

/** Everything an initiator reads of a LUN. */
async function contents(server: Server, lun: number): Promise<Buffer> {
  const session = await ScsiSession.open(server, { lun });
  const parts: Uint8Array[] = [];
  for (let lba = 0; ; lba += 2048) {
    const read = await session.read({ lba, blocks: 2048 });
    // LOGICAL BLOCK ADDRESS OUT OF RANGE: all sizes here are whole MiB.
    if (read.sense === '5/21/00') break;
    parts.push(good(read).dataIn);
  }
  await session.close();
  return Buffer.concat(parts);
}

async function expectImported(name: string, snapshots: readonly string[]): Promise<void> {
  const socket = socketOf(to);
  const rows = (await ask(socket, 'snapshot.list', { vlun: name })) as Array<{ name: string }>;
  expect(rows.map((one) => one.name)).toEqual(snapshots);
  for (const [index, snapshot] of snapshots.entries()) {
    const lun = FIRST_SNAPSHOT_LUN + index;
    await ask(socket, 'snapshot.map', { vlun: name, snapshot, lun });
    const read = await contents(to, lun);
    await ask(socket, 'snapshot.unmap', { vlun: name, snapshot });
    expect(read.equals(model.get(snapshot) as Buffer), `${name}@${snapshot}, seed ${SEED}`).toBe(true);
  }
  const { lun } = (await ask(socket, 'lun.show', { name })) as { lun: number };
  const last = model.get(snapshots.at(-1) as string) as Buffer;
  expect((await contents(to, lun)).equals(last), `${name}, seed ${SEED}`).toBe(true);
}

/** Everything that the receiving server lists. */
async function listed(): Promise<unknown> {
  const verbs = ['lun.list', 'snapshot.list', 'target.list', 'config.show'];
  return Promise.all(verbs.map((verb) => ask(socketOf(to), verb, {})));
}

async function space(): Promise<{ readonly usedBytes: number; readonly reclaimableBytes: number }> {
  return (await ask(socketOf(to), 'pool.status', {})) as Awaited<ReturnType<typeof space>>;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const beganMs = performance.now(); performance.now() - beganMs < 15_000; ) if (await holds()) return;
  expect.fail('that never came about');
}

const ONE_LINE = /^snaplun: [^\n]+\n$/;

test('full and incremental streams through a pipe, and again', async () => {
  const first = await shell('FROM export db@a | TO --json import copy');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(first.stdout)).toMatchObject({ name: 'copy', lun: 0, repeated: false });
  await expectImported('copy', ['a']);
  expect(await shell('FROM export db@b --from db@a | TO import copy')).toMatchObject({
    code: 0,
    stderr: '',
  });
  expect(await shell('FROM export db@c --from db@b | TO import copy')).toMatchObject({
    code: 0,
    stderr: '',
  });
  await expectImported('copy', ['a', 'b', 'c']);
  for (const words of ['db@a', 'db@c --from db@b']) {
    const before = await listed();
    const again = await shell(`FROM export ${words} | TO import copy`);
    // The exporter is not disturbed either.
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(/already; nothing was done/);
    expect(await listed()).toEqual(before);
  }
});

test('a full stream of the last one, and a stream of what was imported', async () => {
  expect(await shell('FROM export db@c | TO import once')).toMatchObject({ code: 0, stderr: '' });
  await expectImported('once', ['c']);
  // What was passed on is passed on again under its own name, and the changes of the first server fit it.
  expect(await shell('TO export copy@b | TO import far')).toMatchObject({ code: 0, stderr: '' });
  expect(await shell('FROM export db@c --from db@b | TO import far')).toMatchObject({
    code: 0,
    stderr: '',
  });
  await expectImported('far', ['b', 'c']);
});

test('a pipe that breaks, and a stream of another version, change nothing', async () => {
  expect(await shell('FROM export db@a > whole')).toMatchObject({ code: 0, stderr: '' });
  const whole = await readFile(join(folder, 'whole'));
  const newer = Buffer.from(whole);
  newer.writeUInt16LE(2, 22);
  await writeFile(join(folder, 'newer'), newer);
  const before = await listed();
  for (const [line, says] of [
    [`FROM export db@a 2> exporter | head -c ${whole.byteLength >> 1} | TO import new`, /cut off after/],
    ['FROM export db@a | { cat; echo; } | TO import new', /something follows its end/],
    ['cat whole whole | TO import new', /something follows its end/],
    ['FROM export db@b --from db@a 2> exporter | TO import once', /'a' that 'once' does not have/],
    ['TO import new < /dev/null', /cut off after 0 bytes/],
    ['TO import new < newer', /version 2, and this program knows version 1/],
  ] as const) {
    const outcome = await shell(line);
    expect(outcome, line).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(ONE_LINE) });
    expect(outcome.stderr, line).toMatch(says);
  }
  expect(await readFile(join(folder, 'exporter'), 'utf8')).toMatch(
    /^snaplun: the stream could not be written[^\n]*\n$/,
  );
  expect(await listed()).toEqual(before);
});

interface Importing {
  readonly outcome: Promise<Exit & { readonly stderr: string }>;
  readonly end: () => void;
}

/** `import new` that got these bytes and waits for more. */
function importing(bytes: Uint8Array): Importing {
  const child = startChild(process.execPath, [SNAPLUN, '--admin', socketOf(to), 'import', 'new'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  // A program that was refused reads no further.
  child.stdin?.on('error', () => undefined);
  child.stdin?.write(bytes);
  const outcome = ended(child).then((exit) => ({ ...exit, stderr }));
  return { outcome, end: () => child.kill('SIGKILL') };
}

/** With half of a stream, some of it stored. */
async function halfImport(): Promise<Importing> {
  const whole = await readFile(join(folder, 'whole'));
  const before = (await space()).usedBytes;
  const half = importing(whole.subarray(0, whole.byteLength >> 1));
  await until(async () => (await space()).usedBytes > before);
  return half;
}

test('a refusal does not wait for a stream that stalls', async () => {
  const { stderr, code } = await importing(new Uint8Array(100)).outcome;
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/no snaplun stream[^\n]*\n$/) });
});

test('an import that its server does not live to see is repeated', async () => {
  const [before, { usedBytes }] = [await listed(), await space()];
  const half = await halfImport();
  expect(await listed()).toEqual(before);
  await to.restart('SIGKILL');
  const outcome = await half.outcome;
  expect(outcome).toMatchObject({ code: 1, stderr: expect.stringMatching(ONE_LINE) });
  expect(outcome.stderr).toMatch(/broke off/);
  expect(await listed()).toEqual(before);
  await until(async () => (await space()).usedBytes === usedBytes);
  expect(await shell('TO import new < whole')).toMatchObject({ code: 0, stderr: '' });
  await expectImported('new', ['a']);
  expect(await to.cli('pool', 'check', '--data')).toMatchObject({ ok: true });
});

test('an import whose program dies leaves nothing, and the server goes on', async () => {
  await to.cli('lun', 'delete', 'new', '--with-snapshots');
  await until(async () => (await space()).reclaimableBytes === 0);
  const [before, { usedBytes }] = [await listed(), await space()];
  const half = await halfImport();
  half.end();
  expect(await half.outcome).toMatchObject({ signal: 'SIGKILL' });
  await until(async () => (await space()).usedBytes === usedBytes);
  expect(await listed()).toEqual(before);
});

test('an export whose server dies says so, and what it wrote is no stream', async () => {
  const taking =
    'dd bs=1 count=1000 > part 2> dd; touch begun; until [ -e go ]; do sleep 0.1; done; cat >> part';
  const exported = shell(`{ FROM export db@c 2> died; echo $? > code; } | { ${taking}; }`);
  await until(async () => existsSync(join(folder, 'begun')));
  await from.restart('SIGKILL');
  await writeFile(join(folder, 'go'), '');
  expect(await exported).toMatchObject({ code: 0, stderr: '' });
  expect(await readFile(join(folder, 'code'), 'utf8')).toBe('1\n');
  expect(await readFile(join(folder, 'died'), 'utf8')).toMatch(/^snaplun: [^\n]*broke off[^\n]*\n$/);
  const before = await listed();
  expect((await shell('TO import new < part')).stderr).toMatch(/cut off after/);
  expect(await listed()).toEqual(before);
  expect(await shell('FROM export db@c | TO import new')).toMatchObject({ code: 0, stderr: '' });
  await expectImported('new', ['c']);
});

test.runIf(process.platform === 'linux')('a terminal sees how far it is, and nothing else does', async () => {
  const onTerminal = (line: string): Promise<Outcome> =>
    run('script', ['-qec', `'${process.execPath}' '${SNAPLUN}' ${line}`, '/dev/null']);
  const exported = await onTerminal(`--admin '${socketOf(from)}' export db@a > '${join(folder, 'seen')}'`);
  expect(exported.stdout).toMatch(/^\rexported [\d.]+ MiB\r\n$/);
  expect(await readFile(join(folder, 'seen'))).toEqual(await readFile(join(folder, 'whole')));
  const imported = await onTerminal(`--admin '${socketOf(to)}' import seen < '${join(folder, 'seen')}'`);
  expect(imported.stdout).toMatch(/^\rimported [\d.]+ MiB\r\nimported seen@a: LUN \d+ of [^\r]+\r\n$/);
});
