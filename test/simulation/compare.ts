/** The full comparison of a quiet pool with the model: what there is, and every sector of it. */
import type { Pool } from '../../snapshot/pool.ts';
import { SECTOR_BYTES } from './content.ts';
import { Disagreement } from './disagreement.ts';
import type { Model } from './model.ts';
import type { Operation } from './script.ts';

const READ_BYTES = 256 * 1024;

function mustBeSame(what: string, found: unknown, expected: unknown): void {
  const [shownFound, shownExpected] = [JSON.stringify(found), JSON.stringify(expected)];
  if (shownFound !== shownExpected) {
    throw new Disagreement(`${what}: the pool has ${shownFound}, expected ${shownExpected}`);
  }
}

function byName<T extends readonly unknown[]>(rows: T[]): T[] {
  return rows.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}

/** VLUNs, snapshots and documents are those of the model. */
export function compareCatalogue(pool: Pool, model: Model): void {
  mustBeSame(
    'VLUNs',
    byName(pool.list().map((vlun) => [vlun.name, vlun.sizeBytes, vlun.blockBytes, vlun.tracks ?? null])),
    byName(
      [...model.vluns.values()].map(
        (vlun) => [vlun.name, vlun.sectors * SECTOR_BYTES, vlun.blockBytes, vlun.tracks ?? null] as const,
      ),
    ),
  );
  mustBeSame(
    'snapshots',
    byName(pool.snapshots().map(({ vlun, name, sizeBytes }) => [`${vlun}@${name}`, sizeBytes])),
    byName([...model.snapshots].map(([key, { sectors }]) => [key, sectors * SECTOR_BYTES] as const)),
  );
  mustBeSame(
    'documents',
    byName(pool.documents.names('document-').map((name) => [name, pool.documents.get(name)])),
    byName([...model.documents]),
  );
}

/** Reads that together see every sector. */
export function* everything(
  model: Model,
): Generator<Extract<Operation, { do: 'read' }> | Extract<Operation, { do: 'read-snapshot' }>> {
  for (const { name: vlun, sectors, blockBytes } of model.vluns.values()) {
    for (const range of chunks(sectors, blockBytes)) yield { do: 'read', vlun, range };
  }
  for (const { vlun, name: snapshot, sectors, blockBytes } of model.snapshots.values()) {
    for (const range of chunks(sectors, blockBytes)) yield { do: 'read-snapshot', vlun, snapshot, range };
  }
}

function* chunks(sectors: number, blockBytes: number): Generator<{ at: number; blocks: number }> {
  const capacityBlocks = (sectors * SECTOR_BYTES) / blockBytes;
  const blocks = READ_BYTES / blockBytes;
  for (let at = 0; at < capacityBlocks; at += blocks) yield { at, blocks };
}
