/**
 * The independent check of a pool at rest (SYSTEM promise 6). It opens a medium, not a pool: what is stored
 * is decoded from FORMAT.md alone, without a line of the code that wrote it, and held against the invariants
 * of `check-report.ts`. First the state of the last checkpoint, then the journal applied to it in the
 * plainest way, then the catalogue that results and, where asked, every block that an entry points at. It
 * changes nothing.
 *
 * The end of the journal is found as recovery has to find it: after the last record that a flush mark proves,
 * the first one whose own, predecessor's or data's checksum is wrong ends it, and that is no damage.
 */
import { CheckedCatalogue, judgeCatalogue } from './check-catalogue.ts';
import { type CheckedRecord, readChain } from './check-journal.ts';
import { judgeReferences } from './check-references.ts';
import { Replay } from './check-replay.ts';
import { Findings } from './check-report.ts';
import {
  judgeSpace,
  readSealedJson,
  readStoredCatalogue,
  readStoredTables,
  type Source,
  type StoredState,
} from './check-stored.ts';
import type { Checksum } from './checksum.ts';
import { type DataSpace, type Medium, POOL_BLOCK_BYTES } from './medium/medium.ts';

export interface CheckOptions {
  readonly checksum: Checksum;
  /** Reads every block that an entry points at, too. */
  readonly data?: boolean;
  /** Reads past what the medium caches of data and journal, as recovery does. True unless told otherwise. */
  readonly dropCaches?: boolean;
}

export interface CheckReport {
  readonly ok: boolean;
  /** Each begins with the number of the invariant it breaks; at most 200 are listed. */
  readonly errors: readonly string[];
  /** How many were found. */
  readonly errorCount: number;
  /** The last record that a recovery would keep. */
  readonly sequence: number;
  /** What the journal has beyond the checkpoint, and what recovery would keep of it. */
  readonly records: number;
  readonly vluns: number;
  readonly snapshots: number;
  readonly images: number;
  /** Pool blocks that have an entry. */
  readonly referencedBlocks: number;
  /** Pool blocks that were read and compared. */
  readonly verifiedBlocks: number;
}

/** Format 1 had no shared places; a pool keeps it until it is opened for serving. */
const KNOWN_FORMATS = [1, 2, 3];

/** Checks the pool on an opened medium; rejects only where the medium fails. */
export async function checkPool(medium: Medium, options: CheckOptions): Promise<CheckReport> {
  const findings = new Findings();
  const { checksum } = options;
  if (options.dropCaches !== false) await medium.dropCaches();
  const source = { meta: medium.meta, checksum, capacityBlocks: medium.data.capacityBlocks, findings };
  const state = await readState(source);
  if (state === undefined) return report({ findings, sequence: 0, records: 0, verifiedBlocks: 0 });
  const catalogue = await readStoredCatalogue(source, state);
  const places = await readStoredTables(source, catalogue);
  await judgeSpace(source, places);
  await judgeReferences(source, places);
  judgeCatalogue(catalogue, findings);
  const replay = new Replay(source, catalogue, places);
  const kept = await keptRecords(medium, state, source);
  for (const record of kept) await replay.apply(record);
  if (kept.some(({ body }) => body.kind === 'structure')) judgeCatalogue(catalogue, findings);
  const verifiedBlocks = options.data === true ? await verifyData(medium.data, replay, source) : 0;
  const { sequence } = kept.at(-1) ?? state;
  return report({
    findings,
    sequence,
    records: kept.length,
    verifiedBlocks,
    catalogue,
    referencedBlocks: places.count,
  });
}

interface Found {
  readonly findings: Findings;
  readonly sequence: number;
  readonly records: number;
  readonly verifiedBlocks: number;
  readonly catalogue?: CheckedCatalogue;
  readonly referencedBlocks?: number;
}

function report(found: Found): CheckReport {
  const { findings, catalogue = new CheckedCatalogue(), referencedBlocks = 0, ...rest } = found;
  return {
    ok: findings.count === 0,
    errors: findings.errors,
    errorCount: findings.count,
    sequence: rest.sequence,
    records: rest.records,
    vluns: catalogue.vluns.size,
    snapshots: catalogue.snapshots.size,
    images: catalogue.images.size,
    referencedBlocks,
    verifiedBlocks: rest.verifiedBlocks,
  };
}

async function readState({ meta, checksum, findings }: Source): Promise<StoredState | undefined> {
  const bytes = await meta.get(Uint8Array.of('S'.charCodeAt(0)));
  const read = bytes === undefined ? 'is missing' : readSealedJson(bytes, checksum);
  if (typeof read === 'string') {
    findings.add('I1', `the state of the checkpoint ${read}`);
    return undefined;
  }
  const state = read.value as StoredState;
  if (KNOWN_FORMATS.includes(state.format)) return state;
  findings.add('I1', `the pool has format ${state.format}, this check knows ${KNOWN_FORMATS.join(', ')}`);
  return undefined;
}

/** The records that a recovery would keep (I13). */
async function keptRecords(medium: Medium, state: StoredState, source: Source): Promise<CheckedRecord[]> {
  const { checksum, findings } = source;
  const { records, flushed } = await readChain(medium.journal, state, checksum);
  const kept: CheckedRecord[] = [];
  for (const record of records) {
    if (record.sequence > flushed && !(await dataStands(medium.data, record, source))) break;
    kept.push(record);
  }
  const { sequence } = kept.at(-1) ?? state;
  if (sequence < flushed)
    findings.add('I13', `the journal is whole up to record ${sequence}, but ${flushed} was flushed`);
  for (const { sequence: at, body } of kept) {
    if (body.kind === 'segment' && body.pool !== state.pool)
      findings.add('I13', `record ${at} is of another pool`);
  }
  return kept;
}

/** Does the data of a record have its checksums? */
async function dataStands(data: DataSpace, { body }: CheckedRecord, { checksum }: Source): Promise<boolean> {
  if (body.kind !== 'write') return true;
  const block = new Uint8Array(POOL_BLOCK_BYTES);
  for (const { kind, place, sums } of body.extents) {
    // What is shared was data of an earlier record.
    if (kind === 'share') continue;
    for (const [i, sum] of (sums ?? new Uint32Array()).entries()) {
      if (place + i >= data.capacityBlocks) return false;
      await data.read(place + i, block);
      if (checksum(block) !== sum) return false;
    }
  }
  return true;
}

/** I16; the count of blocks read. */
async function verifyData(data: DataSpace, replay: Replay, source: Source): Promise<number> {
  const { checksum, findings, capacityBlocks } = source;
  const bytes = new Uint8Array(POOL_BLOCK_BYTES);
  let verified = 0;
  for await (const { image, block, place, sum } of replay.entries()) {
    if (place >= capacityBlocks) continue;
    await data.read(place, bytes);
    verified += 1;
    if (checksum(bytes) !== sum)
      findings.add('I16', `block ${block} of image ${image}, at place ${place}, is damaged`);
  }
  return verified;
}
