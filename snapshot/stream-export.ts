/**
 * `export`: a snapshot as a stream, whole or as what changed since an older one; found in the tables,
 * verified as it is read.
 */
import { OperatorError } from '../lun/errors.ts';
import type { BlockRange } from '../lun/units.ts';
import type { Pool } from './pool.ts';
import type { SnapshotInfo } from './pool-types.ts';
import { CHUNK_DATA_BYTES, ChunkWriter, type StreamTools } from './stream-format.ts';
import type { StreamHead } from './stream-head.ts';

export interface ExportRequest {
  readonly vlun: string;
  readonly snapshot: string;
  /** An older snapshot of the same VLUN. */
  readonly from?: string;
}

const RANGES_PER_ASK = 256;

/** Refuses at the first step what does not exist; later steps fail where a snapshot is deleted meanwhile. */
export async function* exportStream(
  pool: Pool,
  request: ExportRequest,
  tools: StreamTools,
): AsyncGenerator<Uint8Array> {
  const to = snapshotOf(pool, request.vlun, request.snapshot);
  const from = request.from === undefined ? undefined : snapshotOf(pool, request.vlun, request.from);
  if (from?.id === to.id) {
    throw new OperatorError('bad-name', `${request.vlun}@${to.name} cannot be exported from itself`);
  }
  const writer = new ChunkWriter(tools);
  yield writer.head(headOf(to, from));
  const { device } = pool.snapshotUnit(to.vlun, to.name);
  for await (const { offsetBytes, bytes } of pieces(pool, to, from)) {
    const into = new Uint8Array(bytes);
    const range = { lba: offsetBytes / to.blockBytes, blocks: bytes / to.blockBytes } as BlockRange;
    await device.read(range, into);
    if (into.some((byte) => byte !== 0)) yield writer.data(offsetBytes, into);
    else if (from !== undefined) yield writer.zero(offsetBytes, bytes);
  }
  yield writer.end();
}

function snapshotOf(pool: Pool, vlun: string, name: string): SnapshotInfo {
  const found = pool.snapshots(vlun).find((one) => one.name === name);
  if (found === undefined) throw new OperatorError('not-found', `There is no snapshot '${vlun}@${name}'.`);
  return found;
}

function headOf(to: SnapshotInfo, from: SnapshotInfo | undefined): StreamHead {
  const { vlun, sizeBytes, blockBytes, createdAtMs } = to;
  return {
    vlun,
    snapshot: to.name,
    identity: originOf(to),
    sizeBytes,
    blockBytes,
    createdAtMs,
    ...(from !== undefined && { from: { snapshot: from.name, identity: originOf(from) } }),
  };
}

/** The identity under which a snapshot was first exported. */
export function originOf(info: SnapshotInfo): string {
  return info.origin ?? Array.from(info.identity.naa, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What has to be carried over, in order, each small enough for a chunk. */
async function* pieces(
  pool: Pool,
  to: SnapshotInfo,
  from: SnapshotInfo | undefined,
): AsyncGenerator<{ readonly offsetBytes: number; readonly bytes: number }> {
  for (let at: number | undefined = 0; at !== undefined; ) {
    const answer = await pool.diff({
      ...(from !== undefined && { from: `${from.vlun}@${from.name}` }),
      to: `${to.vlun}@${to.name}`,
      offsetBytes: at,
      rangesMax: RANGES_PER_ASK,
    });
    for (const { offsetBytes, lengthBytes } of answer.ranges) {
      const end = Math.min(to.sizeBytes, offsetBytes + lengthBytes);
      for (let offset = offsetBytes; offset < end; offset += CHUNK_DATA_BYTES) {
        yield { offsetBytes: offset, bytes: Math.min(CHUNK_DATA_BYTES, end - offset) };
      }
    }
    at = answer.nextOffsetBytes;
  }
}
