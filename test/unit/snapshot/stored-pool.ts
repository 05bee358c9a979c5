/**
 * Writes the stored form of a pool by hand, from FORMAT.md: what the tests of the check open. It shares
 * nothing with the engine's own encoders, nor with the check's decoders.
 */

import type { Medium } from '../../../snapshot/medium/medium.ts';
import { MemoryStore, openMemoryMedium } from '../../../snapshot/medium/memory.ts';

export const POOL = '00112233445566778899aabbccddeeff';
const RECORD_HEADER_BYTES = 32;

/** A stand-in for the real checksum: it only has to differ where the bytes do. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum;
}

export function bytesOf(...numbers: ReadonlyArray<readonly [value: number, byteCount: number]>): Uint8Array {
  return Uint8Array.from(
    numbers.flatMap(([value, byteCount]) =>
      Array.from({ length: byteCount }, (_, i) => Math.floor(value / 256 ** i) % 256),
    ),
  );
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The checksum of everything behind it, first. */
export function sealed(...parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(...parts);
  return joined(bytesOf([checksum(body), 4]), body);
}

/** A key: a letter and big-endian numbers. */
export function key(
  letter: string,
  ...numbers: ReadonlyArray<readonly [value: number, byteCount: number]>
): Uint8Array {
  const parts = numbers.map(([value, byteCount]) => bytesOf([value, byteCount]).reverse());
  return joined(new TextEncoder().encode(letter), ...parts);
}

export function json(value: unknown): Uint8Array {
  return sealed(new TextEncoder().encode(JSON.stringify(value)));
}

export function bitmap(byteCount: number, bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] as number) | (1 << (bit & 7));
  return bytes;
}

export type Entries = ReadonlyArray<readonly [block: number, place: number, sum: number]>;

export function tablePage(image: number, page: number, entries: Entries): Uint8Array {
  return sealed(
    bytesOf([1, 1], [0, 1], [entries.length, 2], [image, 4], [page, 5]),
    bitmap(
      32,
      entries.map(([block]) => block),
    ),
    ...entries.map(([, place, sum]) => bytesOf([place, 5], [sum, 4])),
  );
}

export function summaryList(image: number, chunk: number, pages: readonly number[]): Uint8Array {
  return sealed(
    bytesOf([1, 1], [0, 1], [pages.length, 2], [image, 4], [chunk, 4]),
    ...pages.map((page) => bytesOf([page, 2])),
  );
}

export function stats(image: number, entries: number, data: number): Uint8Array {
  return sealed(bytesOf([1, 1], [0, 3], [image, 4], [0, 4], [entries, 8], [data, 8]));
}

export function placeGroup(group: number, places: readonly number[]): Uint8Array {
  return sealed(bytesOf([1, 1], [0, 1], [places.length, 2], [group, 4], [0, 4]), bitmap(2048, places));
}

export function groupCounts(chunk: number, counts: readonly number[]): Uint8Array {
  const all = Array.from({ length: 1024 }, (_, i) => bytesOf([counts[i] ?? 0, 2]));
  return sealed(bytesOf([1, 1], [0, 3], [chunk, 4], [0, 4]), ...all);
}

/** One record behind another. */
export class JournalWriter {
  sequence: number;
  previous: number;
  epoch: number;

  constructor(from: { readonly sequence: number; readonly previous: number; readonly epoch: number }) {
    this.sequence = from.sequence;
    this.previous = from.previous;
    this.epoch = from.epoch;
  }

  record(kind: number, payload: Uint8Array): Uint8Array {
    const padded = joined(payload, new Uint8Array((8 - (payload.byteLength % 8)) % 8));
    this.sequence += 1;
    const body = joined(
      bytesOf([RECORD_HEADER_BYTES + padded.byteLength, 4], [this.previous, 4], [this.sequence, 8]),
      bytesOf([this.epoch, 4], [kind, 2], [0, 2]),
      padded,
    );
    this.previous = checksum(body);
    return joined(new TextEncoder().encode('SLJR'), bytesOf([this.previous, 4]), body);
  }

  /** Extents of kind 1 and 2 take their sums in order. */
  write(
    extents: ReadonlyArray<{ kind: number; vlun: number; block: number; place?: number; blocks: number }>,
    sums: readonly number[],
  ): Uint8Array {
    return this.record(
      1,
      joined(
        bytesOf([extents.length, 4], [sums.length, 4]),
        ...extents.map(({ kind, vlun, block, place = 0, blocks }) =>
          bytesOf([kind, 4], [vlun, 4], [block, 8], [place, 8], [blocks, 4], [0, 4]),
        ),
        ...sums.map((sum) => bytesOf([sum, 4])),
      ),
    );
  }

  structure(change: unknown): Uint8Array {
    const text = new TextEncoder().encode(JSON.stringify(change));
    return this.record(2, joined(bytesOf([text.byteLength, 4], [0, 4]), text));
  }

  mark(flushed: number): Uint8Array {
    return this.record(3, bytesOf([flushed, 8]));
  }

  segment(pool = POOL): Uint8Array {
    return this.record(
      4,
      bytesOf(...Array.from(pool.matchAll(/../g), ([two]) => [Number.parseInt(two, 16), 1] as const)),
    );
  }
}

export function blockOf(byte: number): Uint8Array {
  return new Uint8Array(4096).fill(byte);
}

export function sumOf(byte: number): number {
  return checksum(blockOf(byte));
}

/** A pool as parts that a test may change before it is opened. */
export class StoredPool {
  readonly values = new Map<string, { key: Uint8Array; value: Uint8Array }>();
  readonly blocks = new Map<number, Uint8Array>();
  journal: Uint8Array[] = [];
  readonly capacityBlocks: number;

  constructor(capacityBlocks: number) {
    this.capacityBlocks = capacityBlocks;
  }

  put(at: Uint8Array, value: Uint8Array): void {
    this.values.set(String(at), { key: at, value });
  }

  remove(at: Uint8Array): void {
    this.values.delete(String(at));
  }

  /** A medium that holds it; every element of `journal` is one segment. */
  async open(): Promise<Medium> {
    const store = new MemoryStore({ capacityBlocks: this.capacityBlocks, journalSegmentBytes: 64 * 1024 });
    const writing = openMemoryMedium(store);
    await writing.meta.commit([...this.values.values()]);
    for (const [place, bytes] of this.blocks) await writing.data.write([{ place, bytes }]);
    for (const segment of this.journal) {
      await writing.journal.beginSegment();
      await writing.journal.append(segment);
    }
    await writing.close();
    return openMemoryMedium(store);
  }
}
