/** Verbs on the pool and the server as a whole. */
import { POOL_BLOCK_BYTES } from '../../../snapshot/medium/medium.ts';
import { VERSION } from '../../product.ts';
import { type Verb, verb } from '../verb.ts';
import { SCRUB_STOP } from './scrub.ts';

const status = verb({
  name: 'status',
  changes: false,
  fields: {},
  run: (context) => ({
    version: VERSION,
    state: context.pool.state,
    pool: context.poolDescription,
    portals: context.portals(),
    metrics: context.metricsAddress ?? null,
    targets: context.targets.list().map((target) => ({
      name: target.name,
      luns: target.units.numbers().length,
      sessions: context.hub.sessionsOf(target.name).length,
    })),
    sessions: context.hub.sessions().length,
    upSeconds: Math.round((context.wallMs() - context.startedAtMs) / 1000),
  }),
});

const poolStatus = verb({
  name: 'pool.status',
  changes: false,
  fields: {},
  run: (context) => context.pool.status(),
});

const check = verb({
  name: 'pool.check',
  changes: false,
  fields: { data: 'boolean?' },
  async run(context, { data }) {
    const report = await context.pool.check({ data: data === true });
    context.log.info('pool checked', { event: 'pool-checked', ok: report.ok, errors: report.errorCount });
    return report;
  },
});

const grow = verb({
  name: 'pool.grow',
  changes: true,
  fields: { sizeBytes: 'number' },
  async run(context, { sizeBytes }) {
    const before = context.pool.status().capacityBytes;
    await context.pool.grow(Math.floor(sizeBytes / POOL_BLOCK_BYTES));
    const status = context.pool.status();
    const { capacityBytes } = status;
    context.log.info('pool grown', { event: 'pool-grown', fromBytes: before, capacityBytes });
    return status;
  },
});

export const POOL_VERBS: readonly Verb[] = [status, poolStatus, check, grow, SCRUB_STOP];
