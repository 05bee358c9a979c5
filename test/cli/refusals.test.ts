/**
 * What the operator must not do, through the real program: each wrong line is answered by one line that names
 * it, with the exit status of the contract, and changes nothing. The oracle of "nothing" is every document
 * that the program lists, and the bytes of every LUN and mapped snapshot as an initiator reads them.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../src/admin/client.ts';
import { type Outcome, run } from '../support/child.ts';
import { good, ScsiSession } from '../support/scsi-session.ts';
import { type Server, SNAPLUN, startServer } from '../support/server.ts';

const SECTORS = 2048;
const INITIATOR = 'iqn.2026-01.test:initiator';
/** Where the scenario maps its units. */
const LUNS = { db: 0, log: 1, side: 2, aside: 3, test: 4, idle: 5, 'db@tuesday': 9 } as const;

let server: Server;
let folder: string;
const sessions: ScsiSession[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snaplun-refusals-'));
  server = await startServer({ args: ['--init', 'db:1M'] });
  await server.cli('lun', 'create', 'log', '--size', '1M');
  await written(LUNS.db, 1);
  await written(LUNS.log, 2);
  await server.cli('snapshot', 'create', 'db,log', 'monday');
  await written(LUNS.db, 3, 100);
  await server.cli('snapshot', 'create', 'db', 'tuesday');
  await written(LUNS.db, 4, 50);
  await server.cli('snapshot', 'create', 'log', 'only');
  await server.cli('preserve', 'db', 'side');
  await server.cli('preserve', 'side', 'aside');
  await server.cli('snapshot', 'clone', 'db@monday', 'test');
  await server.cli('lun', 'create', 'idle', '--size', '1M');
  await server.cli('snapshot', 'map', 'db@tuesday', '--lun', String(LUNS['db@tuesday']));
  await written(LUNS.side, 5, 10);
  await streams();
  for (const lun of Object.values(LUNS)) sessions.push(await ScsiSession.open(server, { lun }));
});

afterAll(async () => {
  for (const session of sessions) await session.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

async function written(lun: number, value: number, sectors = SECTORS): Promise<void> {
  const session = await ScsiSession.open(server, { lun });
  good(await session.write(0, new Uint8Array(sectors * 512).fill(value)));
  await session.close();
}

/** Streams of an own server, so that none of them is known to the one that is asked to take them. */
async function streams(): Promise<void> {
  const other = await startServer({ args: ['--init', 'far:1M'] });
  try {
    const session = await ScsiSession.open(other);
    for (const [value, name] of [
      [6, 'one'],
      [7, 'two'],
    ] as const) {
      good(await session.write(value * 8, new Uint8Array(64 * 512).fill(value)));
      await other.cli('snapshot', 'create', 'far', name);
    }
    await session.close();
    const socket = join(other.pool, 'admin.sock');
    const exported = (words: string, into: string): Promise<Outcome> =>
      run('sh', [
        '-c',
        `'${process.execPath}' '${SNAPLUN}' --admin '${socket}' export ${words} > '${folder}/${into}'`,
      ]);
    expect(await exported('far@one', 'full')).toMatchObject({ code: 0, stderr: '' });
    expect(await exported('far@two --from far@one', 'next')).toMatchObject({ code: 0, stderr: '' });
  } finally {
    await other.stop();
  }
  const full = await readFile(join(folder, 'full'));
  const middle = full.length >> 1;
  await writeFile(join(folder, 'short'), full.subarray(0, middle));
  await writeFile(join(folder, 'endless'), Buffer.concat([full, full]));
  const damaged = Buffer.from(full);
  damaged[middle] = (damaged[middle] ?? 0) ^ 1;
  await writeFile(join(folder, 'damaged'), damaged);
  await writeFile(join(folder, 'text'), 'no stream at all\n'.repeat(100));
}

/** Everything that is listed, and a digest of everything that initiators read. */
async function everything(): Promise<unknown> {
  const socket = join(server.pool, 'admin.sock');
  const documents: unknown[] = [];
  for (const verb of ['lun.list', 'snapshot.list', 'target.list', 'initiator.list', 'schedule.list']) {
    documents.push(await ask(socket, verb, {}));
  }
  const digest = createHash('sha256');
  for (const session of sessions) digest.update(good(await session.read({ lba: 0, blocks: SECTORS })).dataIn);
  return { documents, digest: digest.digest('hex') };
}

interface Refusal {
  readonly line: string;
  /** What the answer has to say. */
  readonly says: RegExp;
  readonly code?: 1 | 2;
  /** A file whose bytes go to standard input. */
  readonly input?: string;
}

async function expectRefused({ line, says, code = 1, input }: Refusal): Promise<void> {
  const words = [SNAPLUN, '--admin', join(server.pool, 'admin.sock'), ...line.split(' ')];
  const bytes = input === undefined ? undefined : await readFile(join(folder, input));
  const outcome = await run(process.execPath, words, bytes === undefined ? {} : { input: bytes });
  const expected = { code, stdout: '', stderr: expect.stringMatching(/^snaplun: [^\n]+\n$/) };
  expect(outcome, line).toMatchObject(expected);
  expect(outcome.stderr, line).toMatch(says);
}

/** None changes anything, so they can all be tried at once. */
async function expectAllRefused(refusals: readonly Refusal[]): Promise<void> {
  const before = await everything();
  const left = [...refusals];
  const worker = async (): Promise<void> => {
    for (let refusal = left.shift(); refusal !== undefined; refusal = left.shift())
      await expectRefused(refusal);
  };
  await Promise.all([worker(), worker()]);
  expect(await everything()).toEqual(before);
}

const lines = (says: Readonly<Record<string, RegExp>>, code: 1 | 2 = 1): readonly Refusal[] =>
  Object.entries(says).map(([line, pattern]) => ({ line, says: pattern, code }));

const USED = new RegExp(`${INITIATOR} \\(logged in to .*--force`);

test('what others use or follow is refused without --force, by their names', async () => {
  await expectAllRefused(
    lines({
      'lun delete db': /monday, tuesday.*--with-snapshots/,
      'lun delete db --with-snapshots': /logged in to db@tuesday.*side \(tracking it\).*--force/,
      'lun delete db --force': /monday, tuesday.*--with-snapshots/,
      'lun delete side': /aside \(tracking it\).*--force/,
      'lun delete idle': USED,
      'lun unmap idle': USED,
      'lun resize idle 512K': /idle .*--shrink/,
      'lun resize idle 512K --shrink': USED,
      'snapshot rollback db@monday': /logged in to aside.*side, aside \(tracking it\).*--force/,
      'snapshot rollback log@monday': USED,
      'snapshot delete db@tuesday': USED,
      'snapshot unmap db@tuesday': USED,
    }),
  );
});

test('what is not there', async () => {
  await expectAllRefused(
    lines({
      'release db': /'db' tracks no other/,
      'release nobody': /no LUN nobody/,
      'snapshot rollback db@only': /db has no snapshot only/,
      'snapshot rollback db@log@only': /"db@log@only".*NAME@SNAP/,
      'snapshot rollback db': /"db".*NAME@SNAP/,
      'snapshot delete log@tuesday': /log has no snapshot tuesday/,
      'snapshot clone nobody@monday x': /no LUN nobody/,
      'snapshot map db@never': /db has no snapshot never/,
      'snapshot diff db@monday log@monday': /different LUNs/,
      'snapshot diff db@monday db@never': /no snapshot never/,
      'preserve nobody x': /no LUN nobody/,
      'export db@never': /no snapshot 'db@never'/,
      'export db@tuesday --from log@monday': /log@monday is of another LUN/,
      'export db@tuesday --from db@tuesday': /from itself/,
    }),
  );
});

test('names and LUN numbers that clash, or are none', async () => {
  await expectAllRefused([
    ...lines({
      'lun create db --size 1M': /'db' already/,
      'lun create x --size 1M --lun 0': /LUN 0 .*db/,
      'snapshot create db,log monday': /'db@monday' already/,
      'snapshot create db,log only': /'log@only' already/,
      'snapshot create db,db x': /'db' is named twice/,
      'snapshot create db a/b': /a\/b/,
      'snapshot clone db@monday log': /'log' already/,
      'snapshot clone db@monday x --lun 1': /LUN 1 .*log/,
      'preserve db side': /'side' already/,
      'preserve db side@x': /side@x/,
      'preserve db x --lun 9': /LUN 9 .*db@tuesday/,
      'preserve db .import-1': /'\.import-1' will not do/,
    }),
    { line: 'import .import-1', says: /'\.import-1' will not do/, input: 'full' },
  ]);
});

test('a stream that is cut off, damaged, no stream, followed by more, or of another base', async () => {
  await expectAllRefused([
    { line: 'import new', says: /cut off.*nothing was changed/, input: 'short' },
    { line: 'import new', says: /(damaged|checksum).*nothing was changed/, input: 'damaged' },
    { line: 'import new', says: /no snaplun stream/, input: 'text' },
    { line: 'import new', says: /nothing was changed/, input: 'endless' },
    { line: 'import new', says: /no VLUN 'new'.*'one'.*import that first/, input: 'next' },
    { line: 'import db', says: /VLUN 'db' already.*another name/, input: 'full' },
    { line: 'import db', says: /snapshot 'one' that 'db' does not have/, input: 'next' },
  ]);
});

test('wrong use is exit status 2', async () => {
  await expectAllRefused(
    lines(
      {
        snapshot: /snapshot what\?/,
        'snapshot create db': /arguments/,
        'snapshot rollback db@monday --forse': /forse/,
        'preserve db': /arguments/,
        'preserve db x --lun 256': /0 to 255/,
        release: /arguments/,
        export: /arguments/,
        'schedule set db': /--every|--at/,
      },
      2,
    ),
  );
});
