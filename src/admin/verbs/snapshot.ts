/** Verbs on snapshots, and those that make one VLUN from another: clone, preserve, release. */
import { OperatorError } from '../../../lun/errors.ts';
import type { SnapshotInfo } from '../../../snapshot/pool-types.ts';
import { sameReference } from '../../targets/documents.ts';
import { type AdminContext, type Verb, verb } from '../verb.ts';
import { planNew, vlunInfo } from './lun.ts';
import { guard } from './needs-force.ts';
import { countedSnapshotRow, snapshotRow, vlunRow } from './rows.ts';

function snapshotInfo(context: AdminContext, vlun: string, snapshot: string): SnapshotInfo {
  vlunInfo(context, vlun);
  const info = context.pool.snapshots(vlun).find((candidate) => candidate.name === snapshot);
  if (info === undefined) {
    throw new OperatorError(
      'not-found',
      `${vlun} has no snapshot ${snapshot}; \`snaplun snapshot list ${vlun}\` shows them`,
    );
  }
  return info;
}

const create = verb({
  name: 'snapshot.create',
  changes: true,
  fields: { vluns: 'strings', snapshot: 'string' },
  async run(context, { vluns, snapshot }) {
    for (const vlun of vluns) vlunInfo(context, vlun);
    const taken = await context.pool.createSnapshots(vluns.map((vlun) => ({ vlun, snapshot })));
    context.log.info('snapshot created', {
      event: 'snapshot-created',
      luns: vluns.join(','),
      snapshot,
      pausedMs: Math.round(taken.pausedMs * 1000) / 1000,
    });
    const snapshots = taken.snapshots.map((info) => snapshotRow(context, info));
    return { snapshots, pausedMs: taken.pausedMs };
  },
});

const list = verb({
  name: 'snapshot.list',
  changes: false,
  fields: { vlun: 'string?' },
  run(context, { vlun }) {
    if (vlun !== undefined) vlunInfo(context, vlun);
    return Promise.all(context.pool.snapshots(vlun).map((info) => countedSnapshotRow(context, info)));
  },
});

const remove = verb({
  name: 'snapshot.delete',
  changes: true,
  fields: { vlun: 'string', snapshot: 'string', force: 'boolean?' },
  async run(context, { vlun, snapshot, force }) {
    snapshotInfo(context, vlun, snapshot);
    guard(context, `delete ${vlun}@${snapshot}`, [{ vlun, snapshot }], { force });
    await context.targets.change(
      context.targets.planUnmap((held) => sameReference(held, { vlun, snapshot })),
    );
    await context.pool.deleteSnapshot({ vlun, snapshot });
    context.log.info('snapshot deleted', { event: 'snapshot-deleted', lun: vlun, snapshot });
  },
});

const map = verb({
  name: 'snapshot.map',
  changes: true,
  fields: { vlun: 'string', snapshot: 'string', lun: 'number?', target: 'string?' },
  async run(context, args) {
    snapshotInfo(context, args.vlun, args.snapshot);
    const plan = context.targets.planMap({ vlun: args.vlun, snapshot: args.snapshot }, args);
    await context.targets.change(plan.documents);
    return { lun: plan.lun, target: plan.target };
  },
});

const unmap = verb({
  name: 'snapshot.unmap',
  changes: true,
  fields: { vlun: 'string', snapshot: 'string', force: 'boolean?' },
  async run(context, { vlun, snapshot, force }) {
    snapshotInfo(context, vlun, snapshot);
    if (context.targets.mappings({ vlun, snapshot }).length === 0) {
      throw new OperatorError('not-mapped', `${vlun}@${snapshot} is not mapped at any target`);
    }
    guard(context, `unmap ${vlun}@${snapshot}`, [{ vlun, snapshot }], { force });
    await context.targets.change(
      context.targets.planUnmap((held) => sameReference(held, { vlun, snapshot })),
    );
  },
});

const clone = verb({
  name: 'snapshot.clone',
  changes: true,
  fields: { vlun: 'string', snapshot: 'string', newName: 'string', lun: 'number?', target: 'string?' },
  async run(context, args) {
    snapshotInfo(context, args.vlun, args.snapshot);
    const plan = planNew(context, args.newName, args);
    const info = await context.pool.clone({
      vlun: args.vlun,
      snapshot: args.snapshot,
      newName: args.newName,
      documents: plan.documents,
    });
    context.targets.refresh();
    context.log.info('clone created', { event: 'lun-created', name: args.newName, lun: plan.lun });
    return vlunRow(context, info);
  },
});

/** The VLUNs that track this one, and those that track them. */
export function followersOf(context: AdminContext, name: string): readonly string[] {
  const found = [...(context.pool.info(name)?.trackers ?? [])];
  for (let i = 0; i < found.length; i += 1)
    found.push(...(context.pool.info(found[i] as string)?.trackers ?? []));
  return found;
}

const rollback = verb({
  name: 'snapshot.rollback',
  changes: true,
  fields: { vlun: 'string', snapshot: 'string', force: 'boolean?' },
  async run(context, { vlun, snapshot, force }) {
    snapshotInfo(context, vlun, snapshot);
    const trackers = followersOf(context, vlun);
    guard(
      context,
      `roll back ${vlun} to ${snapshot}`,
      [{ vlun }, ...trackers.map((name) => ({ vlun: name }))],
      {
        force,
        trackers,
      },
    );
    const info = await context.pool.rollback({ vlun, snapshot });
    context.log.info('LUN rolled back', {
      event: 'lun-rolled-back',
      lun: vlun,
      snapshot,
      trackers: trackers.join(','),
    });
    return vlunRow(context, info);
  },
});

/** Ranges in one answer; who wants more asks on. */
const DIFF_RANGES_MAX = 8192;

const diff = verb({
  name: 'snapshot.diff',
  changes: false,
  fields: { from: 'string', to: 'string', offsetBytes: 'number?' },
  run(context, { from, to, offsetBytes = 0 }) {
    const [vlun = '', snapshot = ''] = from.split('@');
    snapshotInfo(context, vlun, snapshot);
    const [other = '', otherSnapshot] = to.split('@');
    if (otherSnapshot === undefined) vlunInfo(context, other);
    else snapshotInfo(context, other, otherSnapshot);
    if (other !== vlun) {
      throw new OperatorError('bad-name', `${from} and ${to} are of different LUNs; name the same one twice`);
    }
    return context.pool.diff({ from, to, offsetBytes, rangesMax: DIFF_RANGES_MAX });
  },
});

const preserve = verb({
  name: 'preserve',
  changes: true,
  fields: { name: 'string', newName: 'string', lun: 'number?', target: 'string?' },
  async run(context, args) {
    vlunInfo(context, args.name);
    const plan = planNew(context, args.newName, args);
    const info = await context.pool.preserve({
      name: args.name,
      newName: args.newName,
      documents: plan.documents,
    });
    context.targets.refresh();
    context.log.info('LUN preserved', {
      event: 'lun-preserved',
      name: args.name,
      as: args.newName,
      lun: plan.lun,
    });
    return vlunRow(context, info);
  },
});

const release = verb({
  name: 'release',
  changes: true,
  fields: { name: 'string' },
  async run(context, { name }) {
    vlunInfo(context, name);
    const info = await context.pool.release({ name });
    context.log.info('LUN released', { event: 'lun-released', name });
    return vlunRow(context, info);
  },
});

export const SNAPSHOT_VERBS: readonly Verb[] = [
  create,
  list,
  remove,
  map,
  unmap,
  clone,
  rollback,
  diff,
  preserve,
  release,
];
