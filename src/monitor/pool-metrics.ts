/** The metrics of the pool: space, journal, caches, checkpoints, what the background has still to do. */
import type { Pool } from '../../snapshot/pool.ts';
import type { PoolActivity, PoolStatus } from '../../snapshot/pool-types.ts';
import type { PoolEvents } from './events.ts';
import type { Family } from './exposition.ts';

interface Seen {
  readonly status: PoolStatus;
  readonly activity: PoolActivity;
  readonly events: PoolEvents;
}

type Row = readonly [name: string, type: 'counter' | 'gauge', help: string, value: (seen: Seen) => number];

const MS_PER_SECOND = 1000;

const ROWS: readonly Row[] = [
  [
    'snaplun_pool_up',
    'gauge',
    '1 while the pool serves, 0 once it has failed or is closed.',
    ({ status }) => Number(status.state === 'serving'),
  ],
  ['snaplun_pool_capacity_bytes', 'gauge', 'Data space, in bytes.', ({ status }) => status.capacityBytes],
  ['snaplun_pool_used_bytes', 'gauge', 'Data space in use, in bytes.', ({ status }) => status.usedBytes],
  ['snaplun_pool_free_bytes', 'gauge', 'Free data space, in bytes.', ({ status }) => status.freeBytes],
  [
    'snaplun_pool_reserved_bytes',
    'gauge',
    'Free data space that is kept for LUNs with a reservation, in bytes.',
    ({ status }) => status.reservedBytes,
  ],
  [
    'snaplun_pool_available_bytes',
    'gauge',
    'What can still be written by anyone, in bytes.',
    ({ status }) => status.availableBytes,
  ],
  [
    'snaplun_pool_reclaimable_bytes',
    'gauge',
    'Data space that was freed or is about to be, and is not allocatable yet, in bytes.',
    ({ status }) => status.reclaimableBytes,
  ],
  ['snaplun_pool_images', 'gauge', 'Images in the pool.', ({ status }) => status.images],
  [
    'snaplun_pool_backlog_images',
    'gauge',
    'Images that the background has still to give back or to merge.',
    ({ activity }) => activity.backlogImages,
  ],
  ['snaplun_journal_bytes', 'gauge', 'Journal that is kept, in bytes.', ({ status }) => status.journalBytes],
  [
    'snaplun_journal_records_total',
    'counter',
    'Records appended to the journal since the pool began.',
    ({ activity }) => activity.journalRecords,
  ],
  [
    'snaplun_cache_bytes',
    'gauge',
    'Memory of the caches for tables, in bytes.',
    ({ status }) => status.cacheBytes,
  ],
  [
    'snaplun_cache_dirty_pages',
    'gauge',
    'Table pages that differ from the last checkpoint.',
    ({ activity }) => activity.dirtyTablePages,
  ],
  [
    'snaplun_cache_page_loads_total',
    'counter',
    'Table pages that were not in memory and were read.',
    ({ activity }) => activity.tablePageLoads,
  ],
  [
    'snaplun_pool_flushes_total',
    'counter',
    'Flushes that made data and journal durable.',
    ({ activity }) => activity.flushes,
  ],
  [
    'snaplun_checkpoints_total',
    'counter',
    'Checkpoints that were completed.',
    ({ events }) => events.checkpoints,
  ],
  [
    'snaplun_checkpoint_seconds_total',
    'counter',
    'Time that checkpoints took, in seconds.',
    ({ events }) => events.checkpointMs / MS_PER_SECOND,
  ],
  [
    'snaplun_checkpoint_pages_total',
    'counter',
    'Pages that checkpoints stored.',
    ({ events }) => events.checkpointPages,
  ],
  [
    'snaplun_checkpoint_failures_total',
    'counter',
    'Checkpoints that did not complete.',
    ({ events }) => events.failedCheckpoints,
  ],
  [
    'snaplun_recovery_seconds',
    'gauge',
    'Time that the replay of the journal took at the start, in seconds.',
    ({ events }) => events.recoveryMs / MS_PER_SECOND,
  ],
  [
    'snaplun_corrupt_blocks_total',
    'counter',
    'Reads of a stored block that failed its checksum.',
    ({ events }) => events.corruptBlocks,
  ],
  [
    'snaplun_pool_thresholds_total',
    'counter',
    'Times that the pool passed a soft threshold.',
    ({ events }) => events.thresholds,
  ],
  [
    'snaplun_pool_full_total',
    'counter',
    'Times that the pool was reported full, once a minute at most.',
    ({ events }) => events.fulls,
  ],
  [
    'snaplun_background_failures_total',
    'counter',
    'Steps of the background that failed and are tried again.',
    ({ events }) => events.backgroundFailures,
  ],
  [
    'snaplun_scrub_running',
    'gauge',
    '1 while a scrub runs.',
    ({ status }) => Number(status.scrub.state === 'running'),
  ],
  [
    'snaplun_scrub_checked_bytes',
    'gauge',
    'Data that the running or last scrub has checked, in bytes.',
    ({ status }) => status.scrub.checkedBytes,
  ],
  [
    'snaplun_scrub_errors',
    'gauge',
    'Damage that the running or last scrub has found.',
    ({ status }) => status.scrub.errorCount,
  ],
  ['snaplun_damages_total', 'counter', 'Damage that scrubs reported.', ({ events }) => events.damages],
];

export function* poolFamilies(pool: Pool, events: PoolEvents): Generator<Family> {
  const seen = { status: pool.status(), activity: pool.activity(), events };
  for (const [name, type, help, value] of ROWS) yield { name, type, help, samples: [{ value: value(seen) }] };
}
