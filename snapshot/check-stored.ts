/**
 * The state of the last checkpoint, read value by value: every one is decoded, and those that say the same in
 * two ways are compared. Table pages are not kept; what is kept of them is which places they reference.
 */
import { keyNumber } from './check-bytes.ts';
import { CheckedCatalogue, type CheckedCounters } from './check-catalogue.ts';
import { readJson } from './check-journal.ts';
import type { Findings } from './check-report.ts';
import { countBits, GROUPS_PER_CHUNK, judgeGroup, PlaceBits, readCounts, readGroup } from './check-space.ts';
import { entriesOf, HOLE_PLACE, readPage, readStats, readSummary } from './check-tables.ts';
import type { Checksum } from './checksum.ts';
import type { MetaSpace } from './medium/medium.ts';

const SCAN_LIMIT = 1000;

export interface StoredState {
  readonly format: number;
  readonly pool: string;
  readonly sequence: number;
  readonly checksum: number;
  readonly epoch: number;
  readonly segment: number;
  readonly counters: CheckedCounters;
}

export interface Source {
  readonly meta: MetaSpace;
  readonly checksum: Checksum;
  readonly capacityBlocks: number;
  readonly findings: Findings;
}

/** Every stored value whose key begins with this letter, in order. */
export async function* valuesOf(
  meta: MetaSpace,
  letter: string,
): AsyncGenerator<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  const code = letter.charCodeAt(0);
  let from = Uint8Array.of(code);
  for (;;) {
    const found = await meta.scan({ from, to: Uint8Array.of(code + 1), limit: SCAN_LIMIT });
    // The values are good until the loop turns only.
    const kept = found.map(({ key, value }) => ({ key: key.slice(), value: value.slice() }));
    yield* kept;
    const last = kept.at(-1);
    if (last === undefined || kept.length < SCAN_LIMIT) return;
    from = Uint8Array.of(...last.key, 0);
  }
}

/** A sealed JSON value. */
export function readSealedJson(bytes: Uint8Array, checksum: Checksum): { readonly value: unknown } | string {
  const text = bytes.subarray(4);
  if (bytes.byteLength < 5) return 'is cut short';
  const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (sum !== checksum(text)) return 'has a wrong checksum';
  return readJson(text) ?? 'is no JSON';
}

export async function readStoredCatalogue(source: Source, state: StoredState): Promise<CheckedCatalogue> {
  const { meta, checksum, findings } = source;
  const catalogue = new CheckedCatalogue();
  catalogue.counters = state.counters;
  const maps = { 1: catalogue.vluns, 2: catalogue.images, 3: catalogue.snapshots } as const;
  for await (const { key, value } of valuesOf(meta, 'c')) {
    const kind = keyNumber(key, 1, 1);
    const id = keyNumber(key, 2, 4);
    const read = readSealedJson(value, checksum);
    const map = maps[kind as keyof typeof maps] as Map<number, unknown> | undefined;
    if (key.byteLength !== 6 || map === undefined) findings.add('I1', `a catalogue key has kind ${kind}`);
    else if (typeof read === 'string') findings.add('I1', `catalogue object ${id} of kind ${kind} ${read}`);
    else map.set(id, read.value);
  }
  for await (const { key, value } of valuesOf(meta, 'd')) {
    const name = new TextDecoder().decode(key.subarray(1));
    const read = readSealedJson(value, checksum);
    if (typeof read === 'string') findings.add('I1', `document ${name} ${read}`);
    else catalogue.documents.set(name, read.value);
  }
  return catalogue;
}

/** What the table pages sum up to. */
interface ImageSum {
  readonly pages: Set<number>;
  entries: number;
  data: number;
}

/** Reads every table page, summary and counter (I1, I2, I6, I7); the places that have entries. */
export async function readStoredTables(source: Source, catalogue: CheckedCatalogue): Promise<PlaceBits> {
  const places = new PlaceBits();
  const images = new Map<number, ImageSum>();
  for await (const { key, value } of valuesOf(source.meta, 't')) {
    const page = keyNumber(key, 1, 5);
    const image = keyNumber(key, 6, 4);
    let sum = images.get(image);
    if (sum === undefined) {
      sum = { pages: new Set(), entries: 0, data: 0 };
      images.set(image, sum);
    }
    takePage(source, { image, page, value }, { sum, places });
  }
  for (const image of images.keys()) {
    if (!catalogue.images.has(image))
      source.findings.add('I12', `image ${image} has table pages and is not in the catalogue`);
  }
  await judgeSummaries(source, images);
  await judgeStats(source, images);
  return places;
}

function takePage(
  { checksum, findings, capacityBlocks }: Source,
  stored: { readonly image: number; readonly page: number; readonly value: Uint8Array },
  into: { readonly sum: ImageSum; readonly places: PlaceBits },
): void {
  const { image, page } = stored;
  const what = `table page ${page} of image ${image}`;
  into.sum.pages.add(page);
  const read = readPage(stored.value, stored, checksum);
  if (typeof read === 'string') {
    findings.add('I1', `${what} ${read}`);
    return;
  }
  const { entries, data } = entriesOf(read);
  if (entries === 0) findings.add('I2', `${what} has no entry`);
  into.sum.entries += entries;
  into.sum.data += data;
  for (const place of read.places) {
    if (place <= HOLE_PLACE) continue;
    if (place >= capacityBlocks) findings.add('I2', `${what} has an entry at place ${place}, past the end`);
    else if (!into.places.add(place)) into.places.addBeyond(place);
  }
}

async function judgeSummaries(
  { meta, checksum, findings }: Source,
  images: Map<number, ImageSum>,
): Promise<void> {
  const named = new Map<number, Set<number>>();
  for await (const { key, value } of valuesOf(meta, 's')) {
    const image = keyNumber(key, 1, 4);
    const chunk = keyNumber(key, 5, 3);
    const pages = readSummary(value, { image, chunk }, checksum);
    if (typeof pages === 'string') findings.add('I1', `summary chunk ${chunk} of image ${image} ${pages}`);
    else named.set(image, new Set([...(named.get(image) ?? []), ...pages]));
  }
  for (const image of new Set([...images.keys(), ...named.keys()])) {
    const stored = images.get(image)?.pages ?? new Set();
    const said = named.get(image) ?? new Set();
    for (const page of stored)
      if (!said.has(page)) findings.add('I6', `page ${page} of image ${image} is not in its summary`);
    for (const page of said)
      if (!stored.has(page))
        findings.add('I6', `the summary of image ${image} names page ${page}, which is not stored`);
  }
}

async function judgeStats(
  { meta, checksum, findings }: Source,
  images: Map<number, ImageSum>,
): Promise<void> {
  const said = new Map<number, { entries: number; data: number }>();
  for await (const { key, value } of valuesOf(meta, 'i')) {
    const image = keyNumber(key, 1, 4);
    const stats = readStats(value, image, checksum);
    if (typeof stats === 'string') findings.add('I1', `the counters of image ${image} ${stats}`);
    else said.set(image, stats);
  }
  for (const image of new Set([...images.keys(), ...said.keys()])) {
    const { entries, data } = images.get(image) ?? { entries: 0, data: 0 };
    const stats = said.get(image) ?? { entries: 0, data: 0 };
    if (stats.entries !== entries || stats.data !== data) {
      findings.add(
        'I7',
        `image ${image} has ${entries} entries, ${data} of data; its counters say ${stats.entries} and ${stats.data}`,
      );
    }
  }
}

/** I4 and I5: the allocator's bitmaps and counts against the places that have an entry. */
export async function judgeSpace({ meta, checksum, findings }: Source, places: PlaceBits): Promise<void> {
  const stored = new Map<number, number>();
  for await (const { key, value } of valuesOf(meta, 'b')) {
    const group = keyNumber(key, 1, 4);
    const bits = readGroup(value, group, checksum);
    if (typeof bits === 'string') {
      findings.add('I1', `the bitmap of group ${group} ${bits}`);
      stored.set(group, -1);
      continue;
    }
    judgeGroup(group, { stored: bits, wanted: places.group(group) }, findings);
    stored.set(group, countBits(bits));
  }
  for (const group of places.groups()) {
    if (!stored.has(group)) judgeGroup(group, { stored: undefined, wanted: places.group(group) }, findings);
  }
  await judgeCounts({ meta, checksum, findings }, stored);
}

async function judgeCounts(
  { meta, checksum, findings }: Pick<Source, 'meta' | 'checksum' | 'findings'>,
  stored: ReadonlyMap<number, number>,
): Promise<void> {
  const said = new Map<number, number>();
  for await (const { key, value } of valuesOf(meta, 'B')) {
    const chunk = keyNumber(key, 1, 4);
    const counts = readCounts(value, chunk, checksum);
    if (typeof counts === 'string') {
      findings.add('I1', `chunk ${chunk} of the counts ${counts}`);
      continue;
    }
    for (const [i, count] of counts.entries()) if (count > 0) said.set(chunk * GROUPS_PER_CHUNK + i, count);
  }
  for (const group of new Set([...stored.keys(), ...said.keys()])) {
    const marked = stored.get(group) ?? 0;
    const count = said.get(group) ?? 0;
    if (marked >= 0 && marked !== count)
      findings.add('I5', `group ${group} has ${marked} places marked, its count says ${count}`);
  }
}
