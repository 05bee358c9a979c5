/** Verbs on VLUNs: create, list, show, resize, delete, map, unmap. */
import { OperatorError } from '../../../lun/errors.ts';
import type { VlunInfo } from '../../../snapshot/pool-types.ts';
import { sameReference } from '../../targets/documents.ts';
import { type AdminContext, type Verb, verb } from '../verb.ts';
import { guard } from './needs-force.ts';
import { countedVlunRow, vlunRow } from './rows.ts';

export function vlunInfo(context: AdminContext, name: string): VlunInfo {
  const info = context.pool.info(name);
  if (info === undefined)
    throw new OperatorError('not-found', `there is no LUN ${name}; \`snaplun lun list\` shows them`);
  return info;
}

/** Where a LUN of a new name is to be mapped. A clash of names is not told as one of LUN numbers. */
export function planNew(
  context: AdminContext,
  name: string,
  wanted: { readonly lun?: number | undefined; readonly target?: string | undefined },
): ReturnType<AdminContext['targets']['planMap']> {
  if (context.pool.info(name) !== undefined) {
    throw new OperatorError('exists', `there is a LUN '${name}' already; choose another name`);
  }
  return context.targets.planMap({ vlun: name }, wanted);
}

const create = verb({
  name: 'lun.create',
  changes: true,
  fields: {
    name: 'string',
    sizeBytes: 'number',
    blockBytes: 'number?',
    lun: 'number?',
    target: 'string?',
    readOnly: 'boolean?',
    removable: 'boolean?',
    writeCache: 'boolean?',
    reservedBytes: 'number?',
    iopsMax: 'number?',
    throughputMaxBytes: 'number?',
  },
  async run(context, args) {
    const blockBytes = args.blockBytes ?? 512;
    if (blockBytes !== 512 && blockBytes !== 4096) {
      throw new OperatorError('bad-size', `a logical block has 512 or 4096 bytes, not ${blockBytes}`);
    }
    const plan = planNew(context, args.name, args);
    const info = await context.pool.createVlun({
      name: args.name,
      sizeBytes: args.sizeBytes,
      blockBytes,
      readOnly: args.readOnly ?? false,
      removable: args.removable ?? false,
      writeCache: args.writeCache ?? true,
      reservedBytes: args.reservedBytes ?? 0,
      iopsMax: args.iopsMax ?? 0,
      throughputMaxBytes: args.throughputMaxBytes ?? 0,
      documents: plan.documents,
    });
    context.targets.refresh();
    context.log.info('LUN created', {
      event: 'lun-created',
      name: args.name,
      lun: plan.lun,
      target: plan.target,
    });
    return vlunRow(context, info);
  },
});

const list = verb({
  name: 'lun.list',
  changes: false,
  fields: {},
  run: (context) => Promise.all(context.pool.list().map((info) => countedVlunRow(context, info))),
});

const show = verb({
  name: 'lun.show',
  changes: false,
  fields: { name: 'string' },
  run: (context, { name }) => countedVlunRow(context, vlunInfo(context, name)),
});

const resize = verb({
  name: 'lun.resize',
  changes: true,
  fields: { name: 'string', sizeBytes: 'number', shrink: 'boolean?', force: 'boolean?' },
  async run(context, { name, sizeBytes, shrink, force }) {
    const before = vlunInfo(context, name);
    if (sizeBytes < before.sizeBytes) {
      if (shrink !== true) {
        throw new OperatorError(
          'shrinks',
          `${name} would lose what lies past the new end of ${sizeBytes} bytes; add --shrink to go on`,
        );
      }
      guard(context, `shrink ${name}`, [{ vlun: name }], { force, trackers: before.trackers });
    }
    const info = await context.pool.resizeVlun({ name, sizeBytes, shrink: shrink ?? false });
    context.log.info('LUN resized', { event: 'lun-resized', name, sizeBytes });
    return vlunRow(context, info);
  },
});

const set = verb({
  name: 'lun.set',
  changes: true,
  fields: {
    name: 'string',
    reservedBytes: 'number?',
    reserveAll: 'boolean?',
    iopsMax: 'number?',
    throughputMaxBytes: 'number?',
  },
  async run(context, { name, reservedBytes, reserveAll, iopsMax, throughputMaxBytes }) {
    const { sizeBytes } = vlunInfo(context, name);
    const reserved = reserveAll === true ? sizeBytes : reservedBytes;
    const info = await context.pool.setVlun({
      name,
      ...(typeof reserved === 'number' && { reservedBytes: reserved }),
      ...(typeof iopsMax === 'number' && { iopsMax }),
      ...(typeof throughputMaxBytes === 'number' && { throughputMaxBytes }),
    });
    context.log.info('LUN set', {
      event: 'lun-set',
      name,
      reservedBytes: info.reservedBytes,
      iopsMax: info.iopsMax,
      throughputMaxBytes: info.throughputMaxBytes,
    });
    return vlunRow(context, info);
  },
});

const remove = verb({
  name: 'lun.delete',
  changes: true,
  fields: { name: 'string', withSnapshots: 'boolean?', force: 'boolean?' },
  async run(context, { name, withSnapshots, force }) {
    const info = vlunInfo(context, name);
    if (info.snapshots.length > 0 && withSnapshots !== true) {
      throw new OperatorError(
        'has-snapshots',
        `${name} has ${info.snapshots.length} snapshots (${info.snapshots.join(', ')}); add --with-snapshots to delete them too`,
      );
    }
    const references = [{ vlun: name }, ...info.snapshots.map((snapshot) => ({ vlun: name, snapshot }))];
    guard(context, `delete ${name}`, references, { force, trackers: info.trackers });
    // Hidden first, so that no initiator reaches a unit whose blocks are going.
    await context.targets.change(context.targets.planUnmap((reference) => reference.vlun === name));
    await context.pool.deleteVlun({
      name,
      withSnapshots: withSnapshots ?? false,
      documents: context.schedules.planWithout(name),
    });
    context.log.info('LUN deleted', { event: 'lun-deleted', name });
  },
});

const map = verb({
  name: 'lun.map',
  changes: true,
  fields: { name: 'string', lun: 'number?', target: 'string?' },
  async run(context, args) {
    vlunInfo(context, args.name);
    const plan = context.targets.planMap({ vlun: args.name }, args);
    await context.targets.change(plan.documents);
    context.log.info('LUN mapped', {
      event: 'lun-mapped',
      name: args.name,
      lun: plan.lun,
      target: plan.target,
    });
    return { lun: plan.lun, target: plan.target };
  },
});

const unmap = verb({
  name: 'lun.unmap',
  changes: true,
  fields: { name: 'string', force: 'boolean?' },
  async run(context, { name, force }) {
    vlunInfo(context, name);
    const reference = { vlun: name };
    if (context.targets.mappings(reference).length === 0) {
      throw new OperatorError('not-mapped', `${name} is not mapped at any target`);
    }
    guard(context, `unmap ${name}`, [reference], { force });
    await context.targets.change(context.targets.planUnmap((held) => sameReference(held, reference)));
    context.log.info('LUN unmapped', { event: 'lun-unmapped', name });
  },
});

export const LUN_VERBS: readonly Verb[] = [create, list, show, resize, set, remove, map, unmap];
