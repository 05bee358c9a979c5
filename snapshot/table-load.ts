/** What is read of the redirect tables when a pool is opened: the counters and the summary of every image. */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import { ImageStats, ImageTable } from './image-table.ts';
import { KEYS, type KeyRange, numberOfKey, summaryOfKey } from './keys.ts';
import type { MetaSpace } from './medium/medium.ts';
import { SummaryChunk } from './summary.ts';

const SCAN_ENTRIES = 1024;

interface Options {
  readonly meta: MetaSpace;
  readonly checksum: Checksum;
}

/** Calls `take` with every entry of the range, in order. */
export async function scanAll(
  meta: MetaSpace,
  range: KeyRange,
  take: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  let { from } = range;
  for (;;) {
    const found = await meta.scan({ from, to: range.to, limit: SCAN_ENTRIES });
    for (const { key, value } of found) take(key, value);
    const last = found[found.length - 1];
    if (last === undefined || found.length < SCAN_ENTRIES) return;
    from = Uint8Array.of(...last.key, 0);
  }
}

export async function loadImageTables(options: Options): Promise<Map<number, ImageTable>> {
  const { meta, checksum } = options;
  const images = new Map<number, ImageTable>();
  await scanAll(meta, KEYS.image, (key, value) => {
    const image = numberOfKey(key);
    images.set(image, new ImageTable(ImageStats.decode(value, image, checksum)));
  });
  await scanAll(meta, KEYS.summary, (key, value) => {
    const name = summaryOfKey(key);
    const table = images.get(name.image);
    if (table === undefined)
      throw new StoreError('CORRUPT', `Image ${name.image} has a summary but no counters.`);
    table.putChunk(SummaryChunk.decode(value, name, checksum));
  });
  return images;
}
