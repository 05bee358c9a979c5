/** What every medium promises of its journal; the part of `mediumContract` about appends and segments. */
import { expect, test } from 'vitest';
import type { MaybePromise } from '../../lun/units.ts';
import { CONTRACT_SEGMENT_BYTES, filled, type MakeStore, segmentsOf } from './medium-bytes.ts';

export function journalContract(makeStore: MakeStore): void {
  test('a new journal holds nothing that was appended', async () => {
    const medium = await (await makeStore())();
    for (const { bytes } of await segmentsOf(medium)) expect(bytes.every((byte) => byte === 0)).toBe(true);
    await medium.close();
  });

  test('appends follow each other without a gap and are replayed after reopening', async () => {
    const open = await makeStore();
    const medium = await open();
    const { segment } = medium.journal;
    await medium.journal.append(filled(100, 1));
    await medium.journal.append(filled(5000, 2));
    await medium.journal.append(filled(33, 3));
    expect(medium.journal.segment).toBe(segment);
    expect(medium.journal.keptBytes).toBeGreaterThanOrEqual(5133);
    await medium.journal.flush();
    await medium.close();
    const again = await open();
    const found = (await segmentsOf(again)).find(({ number }) => number === segment);
    const expected = Buffer.concat([filled(100, 1), filled(5000, 2), filled(33, 3)]);
    expect(Buffer.compare(found?.bytes.subarray(0, 5133) ?? filled(0, 0), expected)).toBe(0);
    expect(again.journal.segment).toBeGreaterThan(segment);
    await again.close();
  });

  test('appends not awaited keep the order of the calls', async () => {
    const open = await makeStore();
    const medium = await open();
    const { segment } = medium.journal;
    const pending: Array<MaybePromise<void>> = [];
    for (let i = 1; i <= 40; i += 1) pending.push(medium.journal.append(filled(512 + i, i)));
    await Promise.all(pending);
    await medium.journal.flush();
    await medium.close();
    const again = await open();
    const bytes = (await segmentsOf(again)).find(({ number }) => number === segment)?.bytes ?? filled(0, 0);
    let offset = 0;
    for (let i = 1; i <= 40; i += 1) {
      expect(Buffer.compare(bytes.subarray(offset, offset + 512 + i), filled(512 + i, i))).toBe(0);
      offset += 512 + i;
    }
    await again.close();
  });

  test('an append that does not fit begins the next segment whole', async () => {
    const open = await makeStore();
    const medium = await open();
    const first = medium.journal.segment;
    const bytes = Math.floor(medium.journal.appendBytesMax / 2) + 1;
    for (let i = 1; i <= 5; i += 1) await medium.journal.append(filled(bytes, i));
    await medium.journal.append(filled(medium.journal.appendBytesMax, 6));
    expect(medium.journal.segment).toBeGreaterThanOrEqual(first + 5);
    await medium.journal.flush();
    await medium.close();
    const again = await open();
    const found = await segmentsOf(again);
    const numbers = found.map(({ number }) => number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const begun = found.filter(({ bytes: stored }) => stored[0] !== 0);
    expect(begun.map(({ bytes: stored }) => stored[0])).toEqual([1, 2, 3, 4, 5, 6]);
    for (const { bytes: stored } of begun.slice(0, 5)) {
      expect(Buffer.compare(stored.subarray(0, bytes), filled(bytes, stored[0] as number))).toBe(0);
    }
    await again.close();
  });

  test('beginSegment tells the number of the segment the next append goes to', async () => {
    const open = await makeStore();
    const medium = await open();
    const first = medium.journal.segment;
    await medium.journal.append(filled(10, 1));
    const second = await medium.journal.beginSegment();
    expect(second).toBeGreaterThan(first);
    expect(medium.journal.segment).toBe(second);
    await medium.journal.append(filled(10, 2));
    expect(medium.journal.segment).toBe(second);
    await medium.journal.flush();
    await medium.close();
    const again = await open();
    const stored = new Map((await segmentsOf(again)).map(({ number, bytes }) => [number, bytes[0]]));
    expect(stored.get(first)).toBe(1);
    expect(stored.get(second)).toBe(2);
    await again.close();
  });

  test('segments dropped are gone and their numbers are not used again', async () => {
    const open = await makeStore();
    const medium = await open();
    let present = medium.journal.segment;
    for (let i = 1; i <= 6; i += 1) {
      await medium.journal.append(filled(2000, i));
      present = await medium.journal.beginSegment();
    }
    await medium.journal.flush();
    await medium.journal.dropBefore(present);
    expect(medium.journal.keptBytes).toBeLessThan(2000);
    await medium.close();
    const again = await open();
    expect((await segmentsOf(again)).filter(({ number }) => number < present)).toEqual([]);
    expect(again.journal.segment).toBeGreaterThanOrEqual(present);
    await again.journal.append(filled(77, 9));
    const { segment } = again.journal;
    await again.journal.flush();
    await again.close();
    const third = await open();
    const found = (await segmentsOf(third)).find(({ number }) => number === segment);
    expect(found?.bytes.subarray(0, 77)).toEqual(filled(77, 9));
    await third.close();
  });

  test('segments are used over and over', async () => {
    const medium = await (await makeStore())();
    for (let i = 0; i < 30; i += 1) {
      await medium.journal.append(filled(medium.journal.appendBytesMax - 10, (i % 255) + 1));
      await medium.journal.flush();
      await medium.journal.dropBefore(medium.journal.segment);
      expect(medium.journal.keptBytes).toBeLessThanOrEqual(CONTRACT_SEGMENT_BYTES);
    }
    await medium.close();
  });
}
