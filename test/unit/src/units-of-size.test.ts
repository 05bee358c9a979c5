// Sizes are read as the command line promises (powers of 1024), and what is none is refused by name.
import { expect, test } from 'vitest';
import { formatSize, parseSize } from '../../../src/units-of-size.ts';

test.each([
  ['1', 1],
  ['512', 512],
  ['10G', 10_737_418_240],
  ['10g', 10_737_418_240],
  ['1.5M', 1_572_864],
  ['16T', 17_592_186_044_416],
  ['4KiB', 4096],
  [' 2M ', 2_097_152],
])('%s is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', '0', '-1', '10X', 'G', '1e9', '0x10', '1.3', '99999999999T', 'NaN', '1 0'])(
  '"%s" is refused',
  (text) => {
    expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'bad-size' }));
  },
);

test.each([
  [0, '0 B'],
  [512, '512 B'],
  [1024, '1 KiB'],
  [1_572_864, '1.5 MiB'],
  [1024 ** 4 - 8192, '1.0 TiB'],
  [10_737_418_240, '10 GiB'],
])('%d bytes read as %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});
