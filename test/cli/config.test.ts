/**
 * A declared configuration through the real program: what it makes, what it says beforehand, and what it
 * refuses without changing anything.
 */
import assert from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClockedServer } from '../support/clocked-server.ts';
import { connectSocket, Initiator } from '../support/initiator/index.ts';

const TARGET = 'iqn.2026-11.io.snaplun:clocked';
const OTHER = 'iqn.2026-11.com.example:other';

let clocked: ClockedServer;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'snaplun-config-'));
  clocked = await ClockedServer.start('2026-11-25T10:00:00Z');
});

afterEach(async () => {
  await clocked.end();
  rmSync(folder, { recursive: true, force: true });
});

const inFolder = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const shown = (): Promise<unknown> => clocked.ask('config.show');

interface Applied {
  readonly changes: readonly unknown[];
  readonly applied: boolean;
}

/** `apply` without a process of its own. */
async function apply(text: string, options: Record<string, unknown> = {}): Promise<Applied> {
  const args = { text, file: 'snaplun.yaml', directory: folder, secretFiles: [], secrets: [], ...options };
  return (await clocked.ask('config.apply', args)) as Applied;
}

/** The one line with which it is refused, after which everything stands as before. */
async function refused(text: string, options: Record<string, unknown> = {}): Promise<string> {
  const before = [await shown(), await clocked.ask('lun.list'), await clocked.ask('target.list')];
  const error = await apply(text, options).then(
    () => assert.fail('it was not refused'),
    (cause: unknown) => cause as Error,
  );
  expect([await shown(), await clocked.ask('lun.list'), await clocked.ask('target.list')]).toEqual(before);
  expect(error.message).not.toMatch(/\n/);
  return error.message;
}

/** Applies cleanly, and again changes nothing. */
async function applied(text: string, options: Record<string, unknown> = {}): Promise<Applied> {
  const first = await apply(text, options);
  expect(first.applied).toBe(true);
  expect(await apply(text, options)).toMatchObject({ changes: [], applied: false });
  return first;
}

async function logIn(targetName: string): Promise<Initiator> {
  const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port: clocked.port }));
  await initiator.login({ targetName });
  return initiator;
}

describe('apply and config show', () => {
  test('the file of docs/CONFIGURATION.md is taken, shown again, and makes the same of another pool', async () => {
    const [, example] = /```yaml\n(.*?)```/s.exec(readFileSync('docs/CONFIGURATION.md', 'utf8')) ?? [];
    assert(example !== undefined);
    inFolder('vm.secret', 'twelve bytes or more\n');
    inFolder('vm.mutual', 'and another secret\n');
    const path = inFolder('snaplun.yaml', example);
    const first = await clocked.tryCli('apply', '-f', path);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const shownFirst = await clocked.tryCli('config', 'show');
    expect(shownFirst.stdout).toContain(`secret-file: ${join(folder, 'vm.secret')}`);
    expect(shownFirst.stdout).not.toMatch(/twelve|and another/);
    for (const file of [path, inFolder('shown.yaml', shownFirst.stdout)]) {
      expect((await clocked.tryCli('apply', '-f', file)).stdout).toMatch(/^nothing to change\n/);
    }
    expect(await clocked.cli('lun', 'show', 'side')).toMatchObject({ tracks: 'db', blockBytes: 4096 });
    expect(await clocked.cli('schedule', 'list')).toHaveLength(2);
    await clocked.end();
    clocked = await ClockedServer.start('2026-11-25T10:00:00Z');
    await clocked.cli('apply', '-f', join(folder, 'shown.yaml'));
    expect((await clocked.tryCli('config', 'show')).stdout).toBe(shownFirst.stdout);
  });

  test('a dry run says what would change, in the words of the file, and changes nothing', async () => {
    await apply(
      `snaplun: 1\nluns: {db: {size: 16M}, old: {size: 1M}}\n` +
        `targets: {"${TARGET}": {luns: {0: db, 1: old}}}\n` +
        `schedules: [{name: nightly, luns: [db], at: ["02:00"], keep-daily: 7}]`,
    );
    const path = inFolder(
      'next.yaml',
      `snaplun: 1\nserver: {advertise: ["192.0.2.1:3260"]}\n` +
        `luns: {db: {size: 32M, reserve: 4M, iops-max: 500}, side: {size: 32M, tracks: db}}\n` +
        `targets: {"${TARGET}": {luns: {0: db, 5: side}, initiators: {iqn.2026-11.com.example:one: [0]}},\n` +
        `  "${OTHER}": {alias: the second}}\n` +
        `schedules: [{name: nightly, luns: [db], at: ["03:30"], keep-daily: 7}]`,
    );
    const before = await shown();
    const { stdout, stderr, code } = await clocked.tryCli('apply', '-f', path, '--dry-run', '--prune');
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout.split('\n')).toEqual([
      '~ server: advertise none -> 192.0.2.1:3260',
      '~ lun db: size 16M -> 32M',
      '~ lun db: reserve none -> 4M',
      '~ lun db: iops-max none -> 500',
      '+ lun side: size 32M, block-size 512, tracks db',
      `+ target ${OTHER}: alias the second`,
      `~ target ${TARGET}: lun 5 none -> side`,
      `~ target ${TARGET}: initiators none -> only those listed`,
      `~ target ${TARGET}: initiator iqn.2026-11.com.example:one none -> lun 0`,
      `~ target ${TARGET}: lun 1 old -> none`,
      '~ schedule nightly of db: at 02:00 -> 03:30',
      '- lun old',
      '12 changes; nothing was changed (--dry-run)',
      '',
    ]);
    expect(await shown()).toEqual(before);
  });

  test('what is declared and stands already keeps its identity and its number', async () => {
    await applied(
      `snaplun: 1\nluns: {db: {size: 1M}, b: {size: 1M}}\ntargets: {"${TARGET}": {luns: {0: db}}}`,
    );
    const naa = async (): Promise<unknown> => (await clocked.cli('lun', 'show', 'db')) as { naa: string };
    const before = await naa();
    await applied(`snaplun: 1\nluns: {b: {size: 2M}, db: {size: 1M}}`);
    expect(await naa()).toEqual(before);
  });

  test('a LUN that the file does not have goes only when asked, with its snapshots only when asked', async () => {
    await apply('snaplun: 1\nluns: {db: {size: 1M}, log: {size: 1M}}');
    await clocked.ask('snapshot.create', { vluns: ['log'], snapshot: 'monday' });
    const without = 'snaplun: 1\nluns: {db: {size: 1M}}';
    expect(await refused(without)).toMatch(/^snaplun\.yaml:2:1: luns: log is in the pool .* --prune$/);
    expect(await refused(without, { prune: true })).toMatch(/log would be deleted .* --with-snapshots/);
    await applied(without, { prune: true, withSnapshots: true });
    expect(await clocked.ask('lun.list')).toMatchObject([{ name: 'db' }]);
  });

  test('who is logged in is named, and loses nothing without --force', async () => {
    const both = `snaplun: 1\nluns: {db: {size: 1M}}\ntargets: {"${TARGET}": {}, "${OTHER}": {luns: {3: db}}}`;
    await apply(both);
    const initiator = await logIn(OTHER);
    const one = `snaplun: 1\ntargets: {"${TARGET}": {luns: {0: db}}}`;
    expect(await refused(one)).toMatch(/would hurt iqn\..* \(logged in to .*:other, which loses everything/);
    await applied(one, { force: true });
    expect(await clocked.ask('session.list')).toEqual([]);
    await expect(initiator.logout()).rejects.toThrow();
  });
});

/** A file, and the one line that refuses it: where, which key, what. */
const WRONG: ReadonlyArray<readonly [what: string, text: string, message: RegExp]> = [
  ['no YAML', 'snaplun: 1\nluns: {db: {size: 1M}', /^snaplun\.yaml:\d+:\d+: .+/],
  ['a key twice', 'snaplun: 1\nsnaplun: 1', /^snaplun\.yaml:2:1: .*unique/],
  ['nothing', '', /^snaplun\.yaml:1:1: want a mapping, not nothing$/],
  ['a list', '- 1', /^snaplun\.yaml:1:1: want a mapping, not a list$/],
  ['no form', 'luns: {}', /^snaplun\.yaml:1:1: "snaplun" is missing$/],
  ['another form', 'snaplun: 2', /^snaplun\.yaml:1:1: snaplun: this program reads form 1, not 2$/],
  [
    'an unknown key',
    'snaplun: 1\nlun: {}',
    /^snaplun\.yaml:2:1: lun: there is no such key; want one of .*luns/,
  ],
  [
    'an unknown key further down',
    'snaplun: 1\nluns:\n  db:\n    size: 1M\n    sise: 2M',
    /^snaplun\.yaml:5:5: luns\.db\.sise: there is no such key; want one of size, /,
  ],
  [
    'a size that is none',
    'snaplun: 1\nluns: {db: {size: big}}',
    /^snaplun\.yaml:2:13: luns\.db\.size: .*"big"/,
  ],
  ['no size', 'snaplun: 1\nluns:\n  db: {}', /^snaplun\.yaml:3:3: luns\.db: "size" is missing$/],
  ['a size between blocks', 'snaplun: 1\nluns: {c: {size: 1000}}', /2:8: luns\.c: .*multiple of 512/],
  ['a name that is none', 'snaplun: 1\nluns: {"d b": {size: 1M}}', /2:8: luns\["d b"\]: .*named with/],
  ['an odd block', 'snaplun: 1\nluns: {db: {size: 1M, block-size: 1024}}', /block-size: .* 512 or 4096/],
  [
    'neither true nor false',
    'snaplun: 1\nluns: {db: {size: 1M, read-only: maybe}}',
    /read-only: want true or false/,
  ],
  [
    'a limit that is none',
    'snaplun: 1\nluns: {db: {size: 1M, iops-max: -3}}',
    /^snaplun\.yaml:2:\d+: luns\.db\.iops-max: "-3" is no limit: want .*"none"$/,
  ],
  [
    'a limit too low to serve with',
    'snaplun: 1\nluns: {db: {size: 1M, throughput-max: 4K}}',
    /^snaplun\.yaml:2:8: luns\.db: .*65536 bytes a second or more/,
  ],
  [
    'too much kept',
    'snaplun: 1\nluns: {db: {size: 1M, reserve: 2M}}',
    /luns\.db\.reserve: .*at most the size/,
  ],
  [
    'more kept than there is',
    'snaplun: 1\nluns: {db: {size: 2T, reserve: full}}',
    /^snaplun\.yaml:2:1: luns: /,
  ],
  ['an alias', 'snaplun: 1\nluns: {a: &a {size: 1M}, b: *a}', /2:26: luns\.b: aliases are not taken/],
  ['a circle', 'snaplun: 1\nluns: {a: {size: 1M, tracks: b}, b: {size: 1M, tracks: a}}', /tracks: .*circle/],
  [
    'nobody to track',
    'snaplun: 1\nluns: {a: {size: 1M, tracks: b}}',
    /2:22: luns\.a\.tracks: there is no LUN b/,
  ],
  [
    'no such snapshot',
    'snaplun: 1\nluns: {a: {size: 1M, clone: db@x}}',
    /luns\.a\.clone: there is no snapshot db@x/,
  ],
  [
    'a shrink',
    'snaplun: 1\nluns: {db: {size: 512K}}',
    /2:13: luns\.db\.size: it has 1048576 bytes; .*--shrink/,
  ],
  [
    'other blocks',
    'snaplun: 1\nluns: {db: {size: 1M, block-size: 4096}}',
    /block-size: it has blocks of 512/,
  ],
  [
    'a late tracker',
    'snaplun: 1\nluns: {db: {size: 1M, tracks: b}, b: {size: 1M}}',
    /only a new LUN can begin/,
  ],
  ['a smaller pool', 'snaplun: 1\npool: {capacity: 1M}', /2:8: pool\.capacity: .*never shrinks/],
  [
    'a percent too many',
    'snaplun: 1\npool: {thresholds: [101]}',
    /2:21: pool\.thresholds\[0\]: want a whole .*100/,
  ],
  ['no port', 'snaplun: 1\nserver: {portals: ["127.0.0.1:99999"]}', /2:20: server\.portals\[0\]: /],
  ['no iSCSI name', 'snaplun: 1\ntargets: {disk: {}}', /2:11: targets\.disk: .*no iSCSI name/],
  ['no default target', `snaplun: 1\ntargets: {"${OTHER}": {}}`, /2:1: targets: .*default target/],
  ['no such LUN', `snaplun: 1\ntargets: {"${TARGET}": {luns: {0: x}}}`, /luns\.0: there is no LUN x/],
  ['a number too high', `snaplun: 1\ntargets: {"${TARGET}": {luns: {256: db}}}`, /want a LUN number from 0/],
  ['a number twice', `snaplun: 1\ntargets: {"${TARGET}": {luns: {"1": db, "01": db}}}`, /stands here twice/],
  ['a LUN twice', `snaplun: 1\ntargets: {"${TARGET}": {luns: {1: db, 2: db}}}`, /db is LUN 1 of this target/],
  [
    'a mask of nothing',
    `snaplun: 1\ntargets: {"${TARGET}": {initiators: {iqn.2026-11.com.example:one: [4]}}}`,
    /initiators\["iqn.*"\]: this target has no LUN 4/,
  ],
  [
    'a secret that stands here',
    `snaplun: 1\ntargets: {"${TARGET}": {chap: {user: u, secret: twelve bytes or more}}}`,
    /chap\.secret: secrets do not stand here; name a file with "secret-file"/,
  ],
  [
    'a secret that the pool does not have',
    `snaplun: 1\ntargets: {"${TARGET}": {chap: {user: u, secret: stored}}}`,
    /chap: the pool has no secret of u here/,
  ],
  ['no schedule', 'snaplun: 1\nschedules: [{luns: [db]}]', /2:13: schedules\[0\]: .*either "every" or "at"/],
  [
    'an odd interval',
    'snaplun: 1\nschedules: [{luns: [db], every: 7x}]',
    /2:26: schedules\[0\]\.every: .*7x/,
  ],
  [
    'two of a name',
    'snaplun: 1\nschedules: [{luns: [db], every: 1h}, {luns: [db], every: 2h}]',
    /schedules\[1\]\.luns: db has a schedule auto already/,
  ],
];

describe('a file that is refused changes nothing, and one line says where and what', () => {
  beforeEach(async () => {
    await clocked.ask('lun.create', { name: 'db', sizeBytes: 1024 * 1024 });
  });

  test.each(WRONG)('%s', async (_what, text, message) => {
    expect(await refused(text, { prune: true, withSnapshots: true })).toMatch(message);
  });

  test('secrets: none, one too short, two that are the same', async () => {
    const chap = (keys: string): string =>
      `snaplun: 1\ntargets:\n  "${TARGET}":\n    chap: {user: u, ${keys}}`;
    const path = inFolder('s.yaml', chap('secret-file: no.secret'));
    const outcome = await clocked.tryCli('apply', '-f', path);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(
      /^snaplun: .*s\.yaml:4:21: targets\["iqn.*"\]\.chap\.secret-file: .*ENOENT\n$/,
    );
    const held = { secretFiles: [join(folder, 'a'), join(folder, 'b')], secrets: ['short', 'short'] };
    expect(await refused(chap('secret-file: a'), held)).toMatch(/4:21: .*secret-file: .*12 to 255 bytes/);
    const same = { ...held, secrets: ['twelve bytes or more', 'twelve bytes or more'] };
    const mutual = chap('secret-file: a, mutual-user: t, mutual-secret-file: b');
    expect(await refused(mutual, same)).toMatch(/must differ/);
  });

  test('a file that cannot be read', async () => {
    const outcome = await clocked.tryCli('apply', '-f', join(folder, 'none.yaml'));
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/^snaplun: cannot read .*none\.yaml: ENOENT\n$/);
  });
});
