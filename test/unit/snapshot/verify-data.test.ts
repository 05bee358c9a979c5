import { expect, test } from 'vitest';
import { StoreError } from '../../../lun/errors.ts';
import type { JournalBatch } from '../../../snapshot/journal-reader.ts';
import type { Extent } from '../../../snapshot/journal-record.ts';
import { POOL_BLOCK_BYTES } from '../../../snapshot/medium/medium.ts';
import type { RawRecord } from '../../../snapshot/record-decoder.ts';
import { standing } from '../../../snapshot/verify-data.ts';

/** Every block holds its own number, all over; a block's checksum is what its first and last byte say. */
class Data {
  readonly wrong = new Set<number>();
  readonly unreadable = new Set<number>();
  readonly reads: string[] = [];
  under = 0;

  async read(place: number, bytes: Uint8Array): Promise<void> {
    const blocks = bytes.byteLength / POOL_BLOCK_BYTES;
    this.reads.push(`${place}+${blocks}`);
    this.under += 1;
    await new Promise((resolve) => setImmediate(resolve));
    this.under -= 1;
    for (let at = 0; at < blocks; at += 1) {
      if (this.unreadable.has(place + at)) throw new StoreError('IO', `place ${place + at}`);
      const value = this.wrong.has(place + at) ? 255 : place + at;
      bytes.fill(value & 0xff, at * POOL_BLOCK_BYTES, (at + 1) * POOL_BLOCK_BYTES);
    }
  }
}

const checksum = (bytes: Uint8Array): number => (bytes[0] as number) * 256 + (bytes.at(-1) as number);
const sumOf = (place: number): number => (place & 0xff) * 257;

function extent(place: number, blocks = 1, kind: Extent['kind'] = 'write'): Extent {
  return { kind, vlun: 1, block: 0, blocks, place };
}

function record(sequence: number, ...extents: Extent[]): RawRecord {
  const places = extents.flatMap(({ kind, place, blocks }) =>
    kind === 'hole' ? [] : Array.from({ length: blocks }, (_, at) => place + at),
  );
  const sums = Uint32Array.from(places, sumOf);
  return {
    sequence,
    bytes: 0,
    checksum: 0,
    previous: 0,
    epoch: 1,
    flags: 0,
    body: { kind: 'write', extents, sums },
  };
}

async function* batchesOf(...records: RawRecord[]): AsyncGenerator<JournalBatch> {
  yield { segment: 3, records };
}

async function stood(
  data: Data,
  batches: AsyncIterable<JournalBatch>,
  flushedSequence = 0,
): Promise<number[]> {
  const found: number[] = [];
  try {
    for await (const { records } of standing(batches, { data, checksum, flushedSequence })) {
      found.push(...records.map(({ sequence }) => sequence));
    }
  } finally {
    expect(data.under, 'reads that go on when it has ended').toBe(0);
  }
  return found;
}

test('what neighbouring records point at is read at once, whatever their order', async () => {
  const data = new Data();
  const records = [
    record(1, extent(12)),
    record(2, extent(10)),
    record(3, extent(11)),
    record(4, extent(40, 2)),
  ];
  expect(await stood(data, batchesOf(...records))).toEqual([1, 2, 3, 4]);
  expect(data.reads).toEqual(['10+3', '40+2']);
});

test('places that several records point at, and extents longer than a run, are compared whole', async () => {
  const long = [record(1, extent(100, 600)), record(2, extent(650, 10)), record(3, extent(102, 2))];
  expect(await stood(new Data(), batchesOf(...long))).toEqual([1, 2, 3]);
  for (const [place, before] of [
    [100, []],
    [699, []],
    [656, []],
    [99, [1, 2, 3]],
    [700, [1, 2, 3]],
  ] as const) {
    const data = new Data();
    data.wrong.add(place);
    expect(await stood(data, batchesOf(...long)), `block ${place} wrong`).toEqual(before);
  }
});

test('the first record whose data does not stand ends it, and nothing behind counts', async () => {
  const data = new Data();
  data.wrong.add(21);
  data.unreadable.add(22);
  const records = [
    record(1, extent(20)),
    record(2, extent(21)),
    record(3, extent(22)),
    record(4, extent(23)),
  ];
  expect(await stood(data, batchesOf(...records))).toEqual([1]);
});

test('blocks of a run that cannot be read are read one by one, and the one at fault names the cause', async () => {
  const data = new Data();
  data.unreadable.add(22);
  const records = [record(1, extent(20)), record(2, extent(21)), record(3, extent(22))];
  await expect(stood(data, batchesOf(...records))).rejects.toMatchObject({ code: 'IO', message: 'place 22' });
  expect(data.reads).toEqual(['20+3', '20+1', '21+1', '22+1']);
});

test('what a mark proves flushed, holes and what is shared are not read', async () => {
  const data = new Data();
  data.wrong.add(30).add(31);
  const records = [
    record(1, extent(30)),
    record(2, extent(0, 5, 'hole'), extent(31, 1, 'share'), extent(32)),
    record(3, extent(0, 5, 'hole')),
  ];
  expect(await stood(data, batchesOf(...records), 1)).toEqual([1, 2, 3]);
  expect(data.reads).toEqual(['32+1']);
});

test('the next window is read while one is compared, and a full one is not read with it', async () => {
  const data = new Data();
  const records = [record(1, extent(1000, 1024)), record(2, extent(5000, 8)), record(3, extent(6000))];
  const batches = standing(batchesOf(...records), { data, checksum, flushedSequence: 0 });
  const first = await batches.next();
  expect(first.value).toMatchObject({ segment: 3, records: [{ sequence: 1 }] });
  expect(data.reads).toEqual(['1000+256', '1256+256', '1512+256', '1768+256', '5000+8', '6000+1']);
  const second = await batches.next();
  expect(second.value).toMatchObject({ records: [{ sequence: 2 }, { sequence: 3 }] });
  expect(await batches.next()).toMatchObject({ done: true });
});

test('who stops listening waits for what is being read', async () => {
  const data = new Data();
  const records = [record(1, extent(1000, 1024)), record(2, extent(5000, 1024)), record(3, extent(9000))];
  const batches = standing(batchesOf(...records), { data, checksum, flushedSequence: 0 });
  await batches.next();
  await batches.return(undefined);
  expect(data.under).toBe(0);
});
