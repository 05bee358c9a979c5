/** What the server holds, measured after garbage collection, and whether that grows. */
import assert from 'node:assert';
import { setTimeout as pause } from 'node:timers/promises';
import type { Server } from '../support/server.ts';

export interface Measure {
  /** Heap and buffers in use, bytes. */
  readonly usedBytes: number;
  readonly residentBytes: number;
  /** Sockets, timers, files that keep the process alive. */
  readonly handles: number;
}

const PROBE_TIMEOUT_MS = 10_000;

/** Asks the server's probe. */
export async function measure(server: Server): Promise<Measure> {
  const before = probes(server).length;
  process.kill(server.pid, 'SIGUSR2');
  const deadlineMs = performance.now() + PROBE_TIMEOUT_MS;
  while (probes(server).length === before) {
    assert(performance.now() < deadlineMs, 'the probe does not answer');
    await pause(20);
  }
  const found = JSON.parse(probes(server).at(-1) ?? '') as Record<string, number>;
  const usedBytes = (found['heapUsed'] ?? 0) + (found['external'] ?? 0);
  return { usedBytes, residentBytes: found['rss'] ?? 0, handles: found['handles'] ?? 0 };
}

function probes(server: Server): string[] {
  return [...server.log.matchAll(/^probe (\{.*\})$/gm)].map((match) => match[1] ?? '');
}

export function describeMeasure({ usedBytes, residentBytes, handles }: Measure): string {
  const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
  return `${mib(usedBytes)} MiB in use, ${mib(residentBytes)} MiB resident, ${handles} handles`;
}

/**
 * What caches may take that only fill over the time of a soak; a leak of one kilobyte an event is far
 * more.
 */
const GROWTH_BYTES_MAX = 8 * 1024 * 1024;

/** How long what has just ended may take to be gone: the last packets of closed connections. */
const PATIENCE_MS = 10_000;

/**
 * Measures until no more is held than before, and fails when that does not come; `what` names what was
 * done.
 */
export async function measureFlat(server: Server, before: Measure, what: string): Promise<Measure> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const after = await measure(server);
    const grown = after.usedBytes - before.usedBytes;
    if (grown < GROWTH_BYTES_MAX && after.handles <= before.handles) return after;
    assert(
      performance.now() < deadlineMs,
      `${what}: ${grown} bytes more in use, ${before.handles} handles before and ${after.handles} after`,
    );
    await pause(200);
  }
}
