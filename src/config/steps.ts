/** What the pool has to do so that its LUNs become those that are wanted: steps of one record. */
import { POOL_BLOCK_BYTES } from '../../snapshot/medium/medium.ts';
import type { Pool } from '../../snapshot/pool.ts';
import type { Step } from '../../snapshot/several.ts';
import { referenceOf } from '../targets/documents.ts';
import type { DeclaredLun } from './configuration.ts';
import type { WholeConfiguration } from './present.ts';
import { ConfigFault, type Path } from './shapes.ts';

/** Each step beside the place in the file that wants it. */
export interface PlacedStep {
  readonly step: Step;
  readonly path: Path;
}

/**
 * In an order in which each can be done: what is there is changed first, then new LUNs are made, those that
 * track one after it, and at last LUNs are deleted. ConfigFault.
 */
export function stepsBetween(
  pool: Pool,
  present: WholeConfiguration,
  wanted: WholeConfiguration,
): readonly PlacedStep[] {
  const steps: PlacedStep[] = [];
  for (const [name, lun] of wanted.luns) {
    const before = present.luns.get(name);
    if (before !== undefined) steps.push(...changeOf(name, before, lun));
  }
  for (const name of creationOrder(present, wanted)) {
    steps.push(...creationOf(pool, wanted, name));
  }
  for (const name of present.luns.keys()) {
    if (wanted.luns.has(name)) continue;
    steps.push({ path: ['luns'], step: { kind: 'delete', name, withSnapshots: true } });
  }
  return steps;
}

function changeOf(name: string, before: DeclaredLun, lun: DeclaredLun): readonly PlacedStep[] {
  const steps: PlacedStep[] = [];
  const path = ['luns', name];
  if (before.tracks !== undefined && lun.tracks === undefined) {
    steps.push({ path, step: { kind: 'release', name } });
  }
  if (lun.sizeBytes > before.sizeBytes) steps.push(growth(name, lun));
  const [kept, keptBefore] = [changeableOf(lun), changeableOf(before)];
  const same = Object.entries(kept).every(([key, value]) => value === keptBefore[key as keyof Changeable]);
  if (!same) steps.push({ path, step: { kind: 'set', name, ...kept } });
  return steps;
}

type Changeable = ReturnType<typeof changeableOf>;

/** What `set` sets. */
function changeableOf({ readOnly, writeCache, reservedBytes, iopsMax, throughputMaxBytes }: DeclaredLun) {
  return { readOnly, writeCache, reservedBytes, iopsMax, throughputMaxBytes };
}

function growth(name: string, { sizeBytes }: DeclaredLun): PlacedStep {
  return { path: ['luns', name, 'size'], step: { kind: 'grow', name, sizeBytes } };
}

/** New LUNs, what is tracked before what tracks it. */
function creationOrder(present: WholeConfiguration, wanted: WholeConfiguration): readonly string[] {
  const order: string[] = [];
  const begun = new Set<string>();
  const visit = (name: string): void => {
    if (present.luns.has(name) || order.includes(name)) return;
    if (begun.has(name)) throw new ConfigFault(['luns', name, 'tracks'], 'LUNs track each other in a circle');
    begun.add(name);
    const tracks = wanted.luns.get(name)?.tracks;
    if (tracks !== undefined) visit(tracks);
    order.push(name);
  };
  for (const name of wanted.luns.keys()) visit(name);
  return order;
}

function creationOf(pool: Pool, wanted: WholeConfiguration, name: string): readonly PlacedStep[] {
  const path = ['luns', name];
  const lun = wanted.luns.get(name) as DeclaredLun;
  const { sizeBytes, blockBytes, removable, tracks, clone } = lun;
  const kept = changeableOf(lun);
  if (tracks === undefined && clone === undefined) {
    return [{ path, step: { kind: 'create', name, sizeBytes, blockBytes, removable, ...kept } }];
  }
  const source = tracks === undefined ? snapshotSource(pool, clone ?? '') : wanted.luns.get(tracks);
  checkLikeSource(source as Source, lun, path);
  const origin = referenceOf(clone ?? '');
  const made: Step =
    tracks === undefined
      ? { kind: 'clone', vlun: origin.vlun, snapshot: origin.snapshot ?? '', newName: name }
      : { kind: 'preserve', name: tracks, newName: name };
  const set: PlacedStep = { path, step: { kind: 'set', name, ...kept } };
  return [{ path, step: made }, growth(name, lun), set];
}

type Source = Pick<DeclaredLun, 'sizeBytes' | 'blockBytes' | 'removable'>;

function snapshotSource(pool: Pool, reference: string): Source | undefined {
  const { vlun, snapshot } = referenceOf(reference);
  const info = pool.snapshots(vlun).find(({ name }) => name === snapshot);
  return info && { ...info, removable: pool.info(vlun)?.removable ?? false };
}

/** What a clone or a tracking LUN has of what it comes from. */
function checkLikeSource(source: Source, lun: DeclaredLun, path: Path): void {
  if (lun.blockBytes !== source.blockBytes) {
    throw new ConfigFault(
      [...path, 'block-size'],
      `what it comes from has blocks of ${source.blockBytes} bytes`,
    );
  }
  if (lun.removable !== source.removable) {
    throw new ConfigFault([...path, 'removable'], `what it comes from has ${source.removable}`);
  }
  // In the last block of what it comes from may be more than was its own, which a growth would show.
  const grows = lun.sizeBytes !== source.sizeBytes && source.sizeBytes % POOL_BLOCK_BYTES !== 0;
  if (lun.sizeBytes < source.sizeBytes || grows) {
    throw new ConfigFault(
      [...path, 'size'],
      `it begins with the size of what it comes from, ${source.sizeBytes} bytes`,
    );
  }
}
