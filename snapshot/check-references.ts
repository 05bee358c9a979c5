/** I3: the counts of places that have several entries, decoded from FORMAT.md, against the tables. */
import { Fields, keyNumber } from './check-bytes.ts';
import type { PlaceBits } from './check-space.ts';
import { type Source, valuesOf } from './check-stored.ts';
import { readSummary } from './check-tables.ts';
import type { Checksum } from './checksum.ts';

const PLACES_PER_PAGE = 512;
const HEADER_BYTES = 16;
const RUN_BYTES = 8;

/** Compares what is stored of them with what the tables say, and the summary with the pages (I6). */
export async function judgeReferences(source: Source, places: PlaceBits): Promise<void> {
  const { meta, checksum, findings } = source;
  const said = new Map<number, number>();
  const stored = new Set<number>();
  for await (const { key, value } of valuesOf(meta, 'r')) {
    const page = keyNumber(key, 1, 4);
    stored.add(page);
    const counts = readReferences(value, page, checksum);
    if (typeof counts === 'string') {
      findings.add('I1', `page ${page} of the reference counts ${counts}`);
      continue;
    }
    for (const [at, beyond] of counts.entries()) {
      if (beyond > 0) said.set(page * PLACES_PER_PAGE + at, beyond);
    }
  }
  for (const place of new Set([...places.beyond.keys(), ...said.keys()])) {
    const entries = (places.has(place) ? 1 : 0) + (places.beyond.get(place) ?? 0);
    const count = (said.get(place) ?? 0) + 1;
    if (entries !== count)
      findings.add('I3', `place ${place} has ${entries} entries, its count says ${count}`);
  }
  await judgeSummary(source, stored);
}

async function judgeSummary({ meta, checksum, findings }: Source, stored: Set<number>): Promise<void> {
  const named = new Set<number>();
  for await (const { key, value } of valuesOf(meta, 'R')) {
    const chunk = keyNumber(key, 1, 4);
    const pages = readSummary(value, { image: 0, chunk }, checksum);
    if (typeof pages === 'string')
      findings.add('I1', `summary chunk ${chunk} of the reference counts ${pages}`);
    else for (const page of pages) named.add(page);
  }
  for (const page of stored)
    if (!named.has(page)) findings.add('I6', `page ${page} of the reference counts is not in their summary`);
  for (const page of named)
    if (!stored.has(page))
      findings.add('I6', `the summary of the reference counts names page ${page}, which is not stored`);
}

/** Entries of each place beyond the first, or why there are none. */
function readReferences(bytes: Uint8Array, page: number, checksum: Checksum): Uint32Array | string {
  const fields = new Fields(bytes);
  if (bytes.byteLength < HEADER_BYTES) return 'is cut short';
  if (!fields.sealed(checksum)) return 'has a wrong checksum';
  if (fields.u8(4) !== 1) return `has version ${fields.u8(4)}`;
  if (fields.u32(8) !== page) return 'names another page';
  const counts = new Uint32Array(PLACES_PER_PAGE);
  const bodyBytes = bytes.byteLength - HEADER_BYTES;
  if (fields.u8(5) === 1) {
    if (bodyBytes !== PLACES_PER_PAGE * 4) return 'has a wrong length';
    for (let at = 0; at < PLACES_PER_PAGE; at += 1) counts[at] = fields.u32(HEADER_BYTES + at * 4);
  } else {
    if (fields.u8(5) !== 0 || bodyBytes % RUN_BYTES !== 0) return 'has a wrong form';
    let last = 0;
    for (let at = HEADER_BYTES; at < bytes.byteLength; at += RUN_BYTES) {
      const first = fields.u16(at);
      const end = first + fields.u16(at + 2);
      if (first < last || end <= first || end > PLACES_PER_PAGE) return 'has runs out of order';
      counts.fill(fields.u32(at + 4), first, end);
      last = end;
    }
  }
  const shared = counts.reduce((sum, beyond) => sum + (beyond > 0 ? 1 : 0), 0);
  return shared === fields.u16(6) && shared > 0 ? counts : 'has a wrong count of places';
}
