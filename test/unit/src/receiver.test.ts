// What comes over a real socket is what was sent, however long its memory is held, and memory is used again.
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { BufferPool } from '../../../src/shell/buffer-pool.ts';
import { Portal } from '../../../src/shell/portal.ts';
import type { Receiver } from '../../../src/shell/receiver.ts';
import { seededRandom } from '../../support/random.ts';

const BYTES = 8 * 1024 * 1024;

/** Sends all of it to a portal and returns what its receiver handed out, and how many buffers that took. */
async function transfer(sent: Buffer, seed: number): Promise<{ got: Buffer; buffers: number }> {
  const random = seededRandom(seed);
  const seen = new Set<ArrayBufferLike>();
  const parts: Buffer[] = [];
  const release: Array<() => void> = [];
  let done: (() => void) | undefined;
  const ended = new Promise<void>((resolve) => {
    done = resolve;
  });
  const accept = (socket: Socket, receiver: Receiver | undefined): void => {
    receiver?.listen((chunk, memory) => {
      seen.add(chunk.buffer);
      const at = parts.push(Buffer.alloc(0)) - 1;
      const take = (): void => {
        parts[at] = Buffer.from(chunk);
      };
      // Some are looked at later only, as the data of a write is.
      if (random.chance(0.5)) {
        take();
        return;
      }
      memory.hold();
      release.push(() => {
        take();
        memory.release();
      });
      while (release.length > 6) release.shift()?.();
    });
    socket.on('end', () => done?.());
  };
  const portal = await Portal.open(
    { host: '127.0.0.1', port: 0 },
    { accept, buffers: new BufferPool(), onFull: () => undefined },
  );
  const port = Number(portal.address.split(':')[1]);
  const client = connect(port, '127.0.0.1');
  for (let at = 0; at < sent.byteLength; ) {
    const end = Math.min(sent.byteLength, at + random.between(1, 300_000));
    if (!client.write(sent.subarray(at, end))) await new Promise((resolve) => client.once('drain', resolve));
    at = end;
  }
  client.end();
  await ended;
  for (const one of release) one();
  portal.close();
  client.destroy();
  return { got: Buffer.concat(parts), buffers: seen.size };
}

test.each([1, 2, 3])('bytes arrive whole and in order (seed %d)', async (seed) => {
  const sent = Buffer.from(seededRandom(seed).bytes(BYTES));
  const { got, buffers } = await transfer(sent, seed);
  expect(got.equals(sent)).toBe(true);
  // 8 MiB through at most 256 KiB a read; the held ones and the present one are all there is.
  expect(buffers).toBeLessThan(16);
});
