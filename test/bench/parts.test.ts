/**
 * Shows that the benchmark counts what there is: latencies against a sorted list, PDUs however their stream
 * is cut.
 */
import { encodePdu, ScsiResponse } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../support/random.ts';
import { Histogram } from './histogram.ts';
import { median } from './report.ts';
import { Skimmer } from './skimmer.ts';
import { merged } from './snapshots/page.ts';
import { parseUrl } from './url.ts';

const SEED = 20_261;

describe('A histogram of latencies', () => {
  test.each([0.001, 0.5, 0.99, 0.999, 1])(
    'its percentile %d is that of the sorted list, within 2 %%',
    (share) => {
      const random = seededRandom(SEED);
      const values = Array.from({ length: 20_000 }, () => Math.floor(2 ** (random.next() * 31)));
      const histogram = new Histogram();
      for (const value of values) histogram.add(value);
      values.sort((one, other) => one - other);
      const exact = values[Math.ceil(values.length * share) - 1] as number;
      expect(Math.abs(histogram.percentile(share) - exact)).toBeLessThanOrEqual(exact * 0.02);
    },
  );

  test('small values are exact, values beyond its range count as the largest', () => {
    const histogram = new Histogram();
    for (const value of [1, 2, 3, 63]) histogram.add(value);
    expect([0.25, 0.5, 0.75, 1].map((share) => histogram.percentile(share))).toEqual([1, 2, 3, 63]);
    histogram.add(1e12);
    expect(histogram.percentile(1)).toBeGreaterThan(4.2e9);
  });

  test('two that were merged count as one, and a cleared one is empty', () => {
    const histogram = new Histogram();
    const other = new Histogram();
    histogram.add(10);
    other.add(20);
    other.add(30);
    histogram.merge(other.counts());
    expect(histogram.percentile(0.5)).toBe(20);
    histogram.clear();
    expect(histogram.percentile(0.5)).toBeNaN();
  });
});

describe('The reader of headers', () => {
  test.each([false, true])('sees the same PDUs wherever the stream is cut, digests %s', (digests) => {
    const random = seededRandom(SEED);
    const dataBytes = [0, 5, 4096, 1, 0, 70_000];
    const stream = Buffer.concat(
      dataBytes.flatMap((count, tag) =>
        encodePdu(
          ScsiResponse,
          { initiatorTaskTag: tag },
          { data: random.bytes(count), headerDigest: digests, dataDigest: digests },
        ),
      ),
    );
    const whole = dataBytes.flatMap((count, tag) => [`header ${tag} ${count}`, 'whole']);
    for (let round = 0; round < 200; round += 1) {
      const seen: string[] = [];
      const reader = {
        header: (view: DataView, at: number, count: number) =>
          void seen.push(`header ${view.getUint32(at + 16)} ${count}`),
        whole: () => void seen.push('whole'),
      };
      const skimmer = new Skimmer(reader, digests);
      for (let at = 0; at < stream.byteLength; ) {
        const end = at + random.between(1, round < 100 ? 60 : 9000);
        // Each chunk in a buffer of its own, at an offset that is no multiple of anything.
        const chunk = new Uint8Array(7 + end - at).subarray(7);
        const bytes = stream.subarray(at, end);
        chunk.set(bytes);
        skimmer.take(chunk.subarray(0, bytes.byteLength));
        at = end;
      }
      expect(seen, `seed ${SEED} round ${round}`).toEqual(whole);
    }
  });
});

test('the median of an even number of values lies between the middle two, unknown ones do not count', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, Number.NaN, 2, 8])).toBe(3);
  expect(median([])).toBeNaN();
});

test('a URL names address, target and LUN, or is refused', () => {
  expect(parseUrl('iscsi://127.0.0.1:3261/iqn.2026-11.a:b/7')).toMatchObject({
    address: { host: '127.0.0.1', port: 3261 },
    name: 'iqn.2026-11.a:b',
    lun: 7,
  });
  expect(parseUrl('old=iscsi://h/iqn.2026-11.a:b/0')).toMatchObject({ label: 'old', address: { host: 'h' } });
  expect(parseUrl('iscsi://[::1]/iqn.2026-11.a:b/0')?.address).toEqual({ host: '::1', port: 3260 });
  expect(parseUrl('http://127.0.0.1/x/1')).toBeUndefined();
});

test('figures that were measured again take the place of their old lines, new ones come behind', () => {
  const before = ['| a | 1 | ≤ 2 |\n', '| b | 5 | ≤ 6 |\n'];
  expect(merged(before, ['| c | 7 | ≤ 8 |\n', '| a | 3 | ≤ 2 |\n'])).toEqual([
    '| a | 3 | ≤ 2 |\n',
    '| b | 5 | ≤ 6 |\n',
    '| c | 7 | ≤ 8 |\n',
  ]);
});
