/**
 * Small files that are whole or absent: one JSON object with a kind, a format version and a checksum,
 * replaced by writing a new file beside it and renaming, with file and directory made durable.
 */
import fs from 'node:fs';
import path from 'node:path';
import { OperatorError } from '../../lun/errors.ts';
import { crc32 } from './checksum.ts';
import { syncAll, syncFile, writeFullySync } from './fd-io.ts';

export const FORMAT_VERSION = 1;

export type Fields = Readonly<Record<string, string | number>>;

function checksumOf(fields: Fields): string {
  return crc32(Buffer.from(JSON.stringify(fields)))
    .toString(16)
    .padStart(8, '0');
}

export async function writeRecord(file: string, kind: string, fields: Fields): Promise<void> {
  const all = { kind, formatVersion: FORMAT_VERSION, ...fields };
  const text = `${JSON.stringify({ ...all, checksum: checksumOf(all) }, undefined, 2)}\n`;
  const beside = `${file}.new`;
  const fd = fs.openSync(beside, 'w', 0o600);
  try {
    writeFullySync(fd, [Buffer.from(text)], 0);
    await syncAll(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(beside, file);
  await syncFile(path.dirname(file));
}

function damaged(file: string, why: string, cause?: unknown): OperatorError {
  return new OperatorError('damaged', `${file} is damaged: ${why}.`, { cause });
}

/** The fields, or undefined when there is no such file; operator errors 'damaged' and 'newer-format'. */
export function readRecord(file: string, kind: string): Fields | undefined {
  if (!fs.existsSync(file)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (cause) {
    throw damaged(file, 'it is not JSON', cause);
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged(file, 'it is not an object');
  const { checksum, ...fields } = parsed as Record<string, string | number>;
  if (fields['kind'] !== kind) throw damaged(file, `it is not a ${kind}`);
  const version = fields['formatVersion'];
  if (typeof version === 'number' && version > FORMAT_VERSION) {
    throw new OperatorError(
      'newer-format',
      `${file} has format version ${version}; this program knows versions up to ${FORMAT_VERSION}.`,
    );
  }
  if (checksum !== checksumOf(fields)) throw damaged(file, 'its checksum is wrong');
  return fields;
}

export function numberField(file: string, fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw damaged(file, `${name} is missing`);
  return value;
}

export function textField(file: string, fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw damaged(file, `${name} is missing`);
  return value;
}
