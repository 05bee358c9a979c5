/** How the tests of the media fill and read them. */
import type { MaybePromise } from '../../lun/units.ts';
import { type Medium, POOL_BLOCK_BYTES } from '../../snapshot/medium/medium.ts';

export const CONTRACT_CAPACITY_BLOCKS = 4096;
export const CONTRACT_SEGMENT_BYTES = 64 * 1024;

/** Opens one and the same store again at every call; the store is made with the form above. */
export type OpenMedium = () => MaybePromise<Medium>;

export function filled(bytes: number, value: number): Uint8Array {
  return new Uint8Array(bytes).fill(value);
}

export function blockOf(value: number, blocks = 1): Uint8Array {
  return filled(blocks * POOL_BLOCK_BYTES, value);
}

export async function readRun(medium: Medium, place: number, blocks: number): Promise<Uint8Array> {
  const into = blockOf(0xee, blocks);
  await medium.data.read(place, into);
  return into;
}

export async function segmentsOf(medium: Medium): Promise<Array<{ number: number; bytes: Uint8Array }>> {
  const found: Array<{ number: number; bytes: Uint8Array }> = [];
  for await (const { number, bytes } of medium.journal.replay())
    found.push({ number, bytes: new Uint8Array(bytes) });
  return found;
}

export type MakeStore = () => MaybePromise<OpenMedium>;
