/**
 * Making and opening a pool in a directory: every way in which the operator can be wrong has its own
 * word.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { OperatorError } from '../../../../lun/errors.ts';
import { createFilePool, openFileMedium } from '../../../../snapshot/medium/file.ts';
import { blockOf, filled, readRun } from '../../../support/medium-contract.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'snaplun-pool-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

const FORM = { capacityBlocks: 1024, journalSegmentBytes: 16 * 1024 };

function newDirectory(): string {
  return fs.mkdtempSync(path.join(root, 'pool-'));
}

async function newPool(): Promise<string> {
  const directory = newDirectory();
  await createFilePool(directory, FORM);
  return directory;
}

/** The code of the operator error that a call ends in. */
async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError);
    expect((error as OperatorError).message).not.toContain('undefined');
    return (error as OperatorError).code;
  }
  return 'none';
}

/** Changes the header as a hand with an editor would. */
function editHeader(directory: string, edit: (text: string) => string): void {
  const file = path.join(directory, 'pool.json');
  fs.writeFileSync(file, edit(fs.readFileSync(file, 'utf8')));
}

test('a pool is made in a directory that is new, empty or a fresh file system; mode 0700', async () => {
  const made = path.join(root, 'deep', 'er');
  await createFilePool(made, FORM);
  expect(fs.statSync(made).mode & 0o777).toBe(0o700);
  const empty = newDirectory();
  fs.chmodSync(empty, 0o755);
  fs.mkdirSync(path.join(empty, 'lost+found'));
  await createFilePool(empty, FORM);
  expect(fs.statSync(empty).mode & 0o777).toBe(0o700);
  for (const directory of [made, empty]) await (await openFileMedium(directory)).close();
});

test('a directory with anything else in it is never touched', async () => {
  const directory = newDirectory();
  fs.writeFileSync(path.join(directory, 'letter.txt'), 'mine');
  expect(await refusal(createFilePool(directory, FORM))).toBe('not-empty');
  expect(await refusal(openFileMedium(directory))).toBe('not-a-pool');
  expect(fs.readdirSync(directory)).toEqual(['letter.txt']);
});

test('a pool is not made over a pool', async () => {
  const directory = await newPool();
  expect(await refusal(createFilePool(directory, FORM))).toBe('exists');
  await (await openFileMedium(directory)).close();
});

test('a directory that does not exist, or is empty, is no pool', async () => {
  expect(await refusal(openFileMedium(path.join(root, 'nowhere')))).toBe('not-found');
  const empty = newDirectory();
  expect(await refusal(openFileMedium(empty))).toBe('not-a-pool');
  expect(fs.readdirSync(empty)).toEqual([]);
});

test('a newer format is refused by name, before its checksum is looked at', async () => {
  const directory = await newPool();
  editHeader(directory, (text) => text.replace('"formatVersion": 1', '"formatVersion": 7'));
  await expect(openFileMedium(directory)).rejects.toThrow(/format version 7.*up to 1/);
  expect(await refusal(openFileMedium(directory))).toBe('newer-format');
});

test('a damaged header, epoch, data file, table file or segment refuses to open', async () => {
  const damages: Array<(directory: string) => void> = [
    (directory) => editHeader(directory, (text) => text.replace('1024', '1025')),
    (directory) => editHeader(directory, (text) => text.slice(0, 40)),
    (directory) => editHeader(directory, () => '[]'),
    (directory) => fs.rmSync(path.join(directory, 'epoch.json')),
    (directory) => fs.writeFileSync(path.join(directory, 'epoch.json'), ''),
    (directory) => fs.rmSync(path.join(directory, 'data')),
    (directory) => fs.truncateSync(path.join(directory, 'data'), 4096),
    (directory) => fs.rmSync(path.join(directory, 'tables.mdb')),
    (directory) => fs.writeFileSync(path.join(directory, 'tables.mdb'), filled(8192, 7)),
    (directory) => flipByte(path.join(directory, 'journal', 'segment-000001'), 20),
    (directory) => fs.truncateSync(path.join(directory, 'journal', 'segment-000001'), 8192),
  ];
  for (const [index, damage] of damages.entries()) {
    const directory = await newPool();
    await (await openFileMedium(directory)).close();
    damage(directory);
    expect([index, await refusal(openFileMedium(directory))]).toEqual([index, 'damaged']);
    // A refused opening leaves nothing locked behind.
    expect([index, await refusal(openFileMedium(directory))]).toEqual([index, 'damaged']);
  }
});

function flipByte(file: string, offset: number): void {
  const bytes = fs.readFileSync(file);
  bytes[offset] = (bytes[offset] as number) ^ 0xff;
  fs.writeFileSync(file, bytes);
}

test('a segment file of another pool is not replayed', async () => {
  const [one, other] = [await newPool(), await newPool()];
  await (await openFileMedium(one)).close();
  await (await openFileMedium(other)).close();
  fs.copyFileSync(path.join(one, 'journal', 'segment-000001'), path.join(other, 'journal', 'segment-000009'));
  expect(await refusal(openFileMedium(other))).toBe('damaged');
});

test('a segment file whose making was interrupted is used anew', async () => {
  const directory = await newPool();
  await (await openFileMedium(directory)).close();
  fs.writeFileSync(path.join(directory, 'journal', 'segment-000007'), '');
  fs.writeFileSync(path.join(directory, 'journal', 'segment-000008'), filled(8192, 0));
  const medium = await openFileMedium(directory);
  for (let i = 1; i <= 12; i += 1) await medium.journal.append(filled(12_000, i));
  await medium.close();
  const again = await openFileMedium(directory);
  const begun: number[] = [];
  for await (const { bytes } of again.journal.replay()) begun.push(bytes[11_999] as number);
  expect(begun.filter((first) => first !== 0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  await again.close();
});

test('data may lie in a file elsewhere, which two pools cannot share', async () => {
  const [directory, second] = [newDirectory(), newDirectory()];
  const dataPath = path.join(root, 'elsewhere');
  await createFilePool(directory, { ...FORM, dataPath });
  expect(await refusal(createFilePool(second, { ...FORM, dataPath }))).toBe('exists');
  const medium = await openFileMedium(directory);
  await medium.data.write([{ place: 1023, bytes: blockOf(1) }]);
  expect(fs.statSync(dataPath).size).toBe(1024 * 4096);
  expect(fs.existsSync(path.join(directory, 'data'))).toBe(false);
  await medium.close();
});

test('a making that fails leaves the directory as it was', async () => {
  const directory = newDirectory();
  const dataPath = path.join(root, 'no', 'such', 'place');
  expect(await refusal(createFilePool(directory, { ...FORM, dataPath }))).toBe('bad-path');
  expect(fs.readdirSync(directory)).toEqual([]);
  await createFilePool(directory, FORM);
});

test('a grown pool whose header was not yet written opens with its old capacity', async () => {
  const directory = await newPool();
  fs.truncateSync(path.join(directory, 'data'), 4096 * 4096);
  const medium = await openFileMedium(directory);
  expect(medium.data.capacityBlocks).toBe(1024);
  await medium.data.grow(2048);
  await medium.data.write([{ place: 2047, bytes: blockOf(3) }]);
  await medium.close();
  const again = await openFileMedium(directory);
  expect(Buffer.compare(await readRun(again, 2047, 1), blockOf(3))).toBe(0);
  await again.close();
});
