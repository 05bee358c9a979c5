// Bytes reach the socket whole and in order, whatever their sizes, and small ones leave together.
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Outbox } from '../../../src/shell/outbox.ts';
import { seededRandom } from '../../support/random.ts';

async function pair(): Promise<{ readonly near: Socket; readonly received: Promise<Buffer>; close(): void }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const received = new Promise<Buffer>((resolve) => {
    server.on('connection', (far) => {
      const chunks: Buffer[] = [];
      far.on('data', (chunk) => chunks.push(chunk as Buffer));
      far.on('end', () => resolve(Buffer.concat(chunks)));
    });
  });
  const near = connect(port, '127.0.0.1');
  await new Promise((resolve) => near.once('connect', resolve));
  return { near, received, close: () => server.close() };
}

test.each([1, 2, 3])('pieces arrive in order (seed %d)', async (seed) => {
  const random = seededRandom(seed);
  const { near, received, close } = await pair();
  const outbox = new Outbox(near);
  const expected: Uint8Array[] = [];
  for (let round = 0; round < 200; round += 1) {
    const pieces = Array.from({ length: random.between(1, 6) }, () => {
      const bytes = random.chance(0.1) ? random.between(16_000, 80_000) : random.between(1, 5000);
      return new Uint8Array(bytes).fill(random.below(256));
    });
    expected.push(...pieces.map((piece) => piece.slice()));
    outbox.add(pieces);
    // Copied pieces belong to the caller again at once.
    for (const piece of pieces) if (piece.byteLength <= 16 * 1024) piece.fill(0xee);
    if (random.chance(0.5)) outbox.flush();
  }
  outbox.flush();
  expect(outbox.isEmpty).toBe(true);
  near.end();
  const got = await received;
  expect(got.equals(Buffer.concat(expected))).toBe(true);
  close();
});

test('small pieces of one turn are one write', async () => {
  const { near, received, close } = await pair();
  let writes = 0;
  const write = near.write.bind(near);
  near.write = ((chunk: Uint8Array) => {
    writes += 1;
    return write(chunk);
  }) as typeof near.write;
  const outbox = new Outbox(near);
  for (let i = 0; i < 32; i += 1) outbox.add([new Uint8Array(48), new Uint8Array(4096)]);
  outbox.flush();
  near.end();
  await received;
  expect(writes).toBe(1);
  close();
});

test('its memory is used again once the kernel has taken everything', async () => {
  const { near, received, close } = await pair();
  const buffers = new Set<ArrayBufferLike>();
  const write = near.write.bind(near);
  near.write = ((chunk: Uint8Array) => {
    buffers.add(chunk.buffer);
    return write(chunk);
  }) as typeof near.write;
  const outbox = new Outbox(near);
  const expected: Uint8Array[] = [];
  for (let round = 0; round < 500; round += 1) {
    const piece = new Uint8Array(4144).fill(round);
    expected.push(piece.slice());
    outbox.add([piece]);
    outbox.flush();
    // Lets the far end read, so that the kernel takes the next ones at once.
    if (round % 8 === 7) await new Promise((resolve) => setImmediate(resolve));
  }
  near.end();
  expect((await received).equals(Buffer.concat(expected))).toBe(true);
  // 2 MB through slabs of 256 KiB: eight of them, if none were used again.
  expect(buffers.size).toBeLessThan(4);
  close();
});
