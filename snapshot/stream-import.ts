/**
 * `import`: a stream becomes a VLUN with one snapshot, or the next snapshot of a VLUN that is at the older
 * one. What comes in is stored in a VLUN that nobody sees; only when the stream has proved itself to its
 * end does one journal record put that in its place. So a stream that is cut off or damaged changes
 * nothing, and a crash leaves nothing behind.
 */
import { OperatorError } from '../lun/errors.ts';
import type { BlockRange, LogicalBlockBytes } from '../lun/units.ts';
import type { Pool } from './pool.ts';
import type { SnapshotInfo, VlunInfo, WithDocuments } from './pool-types.ts';
import { originOf } from './stream-export.ts';
import { badStream, type Chunk, ChunkReader, type StreamTools } from './stream-format.ts';
import type { StreamHead } from './stream-head.ts';

export interface Imported {
  readonly vlun: VlunInfo;
  readonly snapshot: SnapshotInfo;
  /** It was there already, and nothing was done. */
  readonly repeated: boolean;
}

/** `documents` are for a new VLUN and go into the record that makes it. */
export async function importStream(
  pool: Pool,
  request: { readonly name: string; readonly documents: () => WithDocuments['documents'] },
  stream: AsyncIterable<Uint8Array>,
  tools: StreamTools,
): Promise<Imported> {
  const { name } = request;
  const reader = new ChunkReader(stream, tools);
  const head = headOf(await reader.next());
  const present = snapshotWith(pool, name, head.identity);
  if (present !== undefined) return imported(pool, name, present, true);
  const base = baseOf(pool, name, head);
  const staging = await pool.stage({
    sizeBytes: head.sizeBytes,
    blockBytes: head.blockBytes as LogicalBlockBytes,
    ...(base !== undefined && { base: { vlun: name, snapshot: base.name } }),
  });
  try {
    if (staging.sizeBytes !== head.sizeBytes) {
      await pool.resizeVlun({ name: staging.name, sizeBytes: head.sizeBytes, shrink: true });
    }
    await fillFrom(pool, staging.name, reader);
    const { snapshot, identity: origin, createdAtMs } = head;
    const documents = base === undefined ? request.documents() : undefined;
    await pool.adopt({
      staging: staging.name,
      name,
      snapshot,
      origin,
      createdAtMs,
      ...(base !== undefined && { base: base.name }),
      ...(documents !== undefined && { documents }),
    });
  } catch (cause) {
    if (pool.state === 'serving' && pool.info(staging.name) !== undefined) {
      await pool.deleteVlun({ name: staging.name });
    }
    throw cause;
  }
  const made = snapshotWith(pool, name, head.identity);
  if (made === undefined) throw new OperatorError('not-found', `'${name}' was deleted meanwhile.`);
  return imported(pool, name, made, false);
}

function imported(pool: Pool, name: string, snapshot: SnapshotInfo, repeated: boolean): Imported {
  return { vlun: pool.info(name) as VlunInfo, snapshot, repeated };
}

function headOf(chunk: Chunk): StreamHead {
  if (chunk.kind === 'head') return chunk.head;
  throw badStream('it has no head');
}

function snapshotWith(pool: Pool, vlun: string, identity: string): SnapshotInfo | undefined {
  if (pool.info(vlun) === undefined) return undefined;
  return pool.snapshots(vlun).find((one) => originOf(one) === identity);
}

/** The snapshot that an incremental stream builds on; undefined for a full one. */
function baseOf(pool: Pool, name: string, { from, snapshot }: StreamHead): SnapshotInfo | undefined {
  const info = pool.info(name);
  if (from === undefined) {
    if (info === undefined) return undefined;
    throw new OperatorError(
      'exists',
      `There is a VLUN '${name}' already; a full stream makes a new one, so import it under another name.`,
    );
  }
  if (info === undefined) {
    throw new OperatorError(
      'not-found',
      `There is no VLUN '${name}', and the stream holds only what changed since '${from.snapshot}'; import that first.`,
    );
  }
  const base = snapshotWith(pool, name, from.identity);
  if (base === undefined) {
    throw new OperatorError(
      'other-base',
      `The stream builds on a snapshot '${from.snapshot}' that '${name}' does not have; nothing was changed.`,
    );
  }
  if (info.snapshots.includes(snapshot)) {
    throw new OperatorError(
      'exists',
      `There is a snapshot '${name}@${snapshot}' already, of another origin.`,
    );
  }
  return base;
}

async function fillFrom(pool: Pool, staging: string, reader: ChunkReader): Promise<void> {
  const { device } = pool.unit(staging);
  const { blockBytes, capacityBlocks } = device.geometry;
  const rangeOf = (offsetBytes: number, lengthBytes: number): BlockRange => {
    const [lba, blocks] = [offsetBytes / blockBytes, lengthBytes / blockBytes];
    if (Number.isInteger(lba) && Number.isInteger(blocks) && lba + blocks <= capacityBlocks) {
      return { lba, blocks } as BlockRange;
    }
    throw badStream('a part lies outside the disk');
  };
  for (;;) {
    const chunk = await reader.next();
    if (chunk.kind === 'end') return;
    if (chunk.kind === 'head') throw badStream('it has two heads');
    if (chunk.kind === 'data') {
      await device.write(rangeOf(chunk.offsetBytes, chunk.bytes.byteLength), chunk.bytes, { fua: false });
    } else {
      await device.unmap([rangeOf(chunk.offsetBytes, chunk.lengthBytes)], { fua: false });
    }
  }
}
