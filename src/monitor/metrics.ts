/** All metrics, family after family. */
import type { Pool } from '../../snapshot/pool.ts';
import type { Front } from '../front.ts';
import { VERSION } from '../product.ts';
import type { PoolEvents } from './events.ts';
import type { Family } from './exposition.ts';
import { poolFamilies } from './pool-metrics.ts';
import { lunFamilies, sessionFamilies } from './traffic-metrics.ts';

export interface MetricsSource {
  readonly pool: Pool;
  readonly poolEvents: PoolEvents;
  readonly front: Front;
}

const MS_PER_SECOND = 1000;
const US_PER_SECOND = 1e6;

/** Those of the process; there is nothing else to tell before the pool is open. */
export function* processFamilies(startedAtMs: number): Generator<Family> {
  const { user, system } = process.cpuUsage();
  yield {
    name: 'snaplun_build_info',
    type: 'gauge',
    help: 'Always 1; the label says which version runs.',
    samples: [{ labels: { version: VERSION, node: process.version }, value: 1 }],
  };
  yield {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'Processor time of the process, user and system, in seconds.',
    samples: [{ value: (user + system) / US_PER_SECOND }],
  };
  yield {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process, in bytes.',
    samples: [{ value: process.memoryUsage.rss() }],
  };
  yield {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'Start of the process, in seconds since 1970.',
    samples: [{ value: startedAtMs / MS_PER_SECOND }],
  };
}

export function* serverFamilies({ pool, poolEvents, front }: MetricsSource): Generator<Family> {
  const { events, guard, hub, servers } = front;
  yield* poolFamilies(pool, poolEvents);
  yield {
    name: 'snaplun_connections',
    type: 'gauge',
    help: 'Connections of initiators that are open, logged in or not.',
    samples: [{ value: front.connections }],
  };
  yield {
    name: 'snaplun_connections_refused_total',
    type: 'counter',
    help: 'Connections that were closed as soon as they came.',
    samples: [{ value: events.refused }],
  };
  yield {
    name: 'snaplun_logins_failed_total',
    type: 'counter',
    help: 'Logins that were refused, by the status answered (RFC 7143 section 11.13.5).',
    samples: [...events.failedLogins].map(([reason, value]) => ({ labels: { reason }, value })),
  };
  yield {
    name: 'snaplun_logins_delayed_total',
    type: 'counter',
    help: 'Logins that had to wait because others from their address had failed to prove themselves.',
    samples: [{ value: guard.delayed }],
  };
  yield {
    name: 'snaplun_connection_events_total',
    type: 'counter',
    help: 'What connections reported, by kind: errors of the protocol, digests, limits, timeouts and others.',
    samples: [...events.byKind].map(([event, value]) => ({ labels: { event }, value })),
  };
  yield* sessionFamilies(hub.sessions());
  yield* lunFamilies([...servers.list()]);
}
