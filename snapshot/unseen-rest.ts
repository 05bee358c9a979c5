/**
 * The rest of the last pool block of a VLUN whose size is not whole pool blocks. Nobody reads it there, but
 * the VLUN may grow, and then it is seen (P15):
 *
 *   at the top of a family   it may hold what a larger VLUN that this one followed had written
 *   below it                 what is followed goes on past the end, and is seen after growing (P3); but what
 *                            is read from below a base that ends in this very block (layers.ts) was followed
 *                            before a rollback or a release, and is *left over*
 *
 * What is left over is cleared before the VLUN grows, and wherever a part of the block is merged: once it
 * were stored in an entry of its own, nothing could tell it from what is followed.
 */
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import { ABSENT, FIRST_DATA_PLACE, PAGE_BLOCKS } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { VlunNode } from './views.ts';

/** Bytes of the rest; 0 where there is none, or where a VLUN below is larger already and has seen it. */
export function unseenRestBytes({ vlun: { sizeBytes }, below }: VlunNode): number {
  const larger = below.some(({ vlun }) => vlun.sizeBytes > sizeBytes);
  return larger ? 0 : Math.ceil(sizeBytes / POOL_BLOCK_BYTES) * POOL_BLOCK_BYTES - sizeBytes;
}

/**
 * Whether the rest holds, or may, what nobody is to see when the VLUN grows. The caller holds the lock of its
 * last block. May have to load.
 */
export async function growingWouldShow(tables: TableStore, node: VlunNode): Promise<boolean> {
  if (node.above === undefined) return true;
  const lastBlock = Math.floor(node.sizeBytes / POOL_BLOCK_BYTES);
  return (await leftOverFrom(tables, node, lastBlock)) !== undefined;
}

/**
 * Where in this block, in bytes, begins what is left over; undefined where nothing is. The caller holds the
 * block's lock. May have to load.
 */
export async function leftOverFrom(
  tables: TableStore,
  node: VlunNode,
  block: number,
): Promise<number | undefined> {
  const place = await placeOfEnding(tables, node, block);
  if (place === undefined) return undefined;
  // It belongs to the highest VLUN that reads it so: those below it only read it through that one.
  let owner = node;
  while (owner.above !== undefined && (await placeOfEnding(tables, owner.above, block)) === place)
    owner = owner.above;
  const restBytes = unseenRestBytes(owner);
  const endsHere = Math.floor(owner.sizeBytes / POOL_BLOCK_BYTES) === block;
  return endsHere && restBytes > 0 ? POOL_BLOCK_BYTES - restBytes : undefined;
}

/** The place of a block that is read from a layer which ends with this block; undefined for all others. */
async function placeOfEnding(tables: TableStore, node: VlunNode, block: number): Promise<number | undefined> {
  const { images, ends } = node.layers;
  if (ends === undefined) return undefined;
  for (const [at, image] of images.entries()) {
    const end = ends[at] as number;
    if (block >= end) continue;
    const page = await tables.page(image, Math.floor(block / PAGE_BLOCKS));
    const place = page?.at(block % PAGE_BLOCKS) ?? ABSENT;
    if (place !== ABSENT) return end === block + 1 && place >= FIRST_DATA_PLACE ? place : undefined;
  }
  return undefined;
}
