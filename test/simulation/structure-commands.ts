/**
 * The structural verbs: what is asked of the pool, what the model does, and how their journal record is
 * known.
 */
import type { CheckedChange, CheckedVlun } from '../../snapshot/check-catalogue.ts';
import type { Command } from './command.ts';
import { SECTOR_BYTES } from './content.ts';
import { type Model, type ModelVlun, type Restructuring, snapshotKey } from './model.ts';
import { piece, SECTORS_PER_POOL_BLOCK } from './pieces.ts';
import type { Operation } from './script.ts';
import type { Stage } from './stage.ts';

type On<K extends Operation['do']> = Extract<Operation, { do: K }>;

interface Cleared {
  readonly vlun: string;
  readonly pieces: Command['pieces'];
}

interface Verb {
  readonly what: string;
  readonly vlun?: string;
  readonly pieces?: Command['pieces'];
  /** What it may clear besides, of other VLUNs: zeroes over zeroes, to everybody else. */
  readonly besides?: readonly Cleared[];
  readonly restructure: Restructuring;
  readonly call: () => Promise<unknown>;
  readonly recognises: (change: CheckedChange) => boolean;
}

function hasVlun(change: CheckedChange, is: (vlun: CheckedVlun) => boolean): boolean {
  return change.vluns.some(([, vlun]) => vlun !== null && is(vlun));
}

/** The verb that an operation asks for; undefined where it makes no sense now. */
function verbOf(stage: Stage, operation: Operation): Verb | undefined {
  switch (operation.do) {
    case 'create':
      return create(stage, operation);
    case 'snapshot':
      return snapshot(stage, operation);
    case 'delete-snapshot':
      return deleteSnapshot(stage, operation);
    case 'clone':
      return clone(stage, operation);
    case 'rollback':
      return rollback(stage, operation);
    case 'preserve':
      return preserve(stage, operation);
    case 'release':
      return release(stage, operation);
    case 'resize':
      return resize(stage, operation);
    case 'delete':
      return deleteVlun(stage, operation);
    case 'document':
      return document(stage, operation);
    default:
      return undefined;
  }
}

/** Gives the verb to the pool; false where it makes no sense now. */
export function issueStructure(stage: Stage, operation: Operation): boolean {
  const verb = verbOf(stage, operation);
  if (verb === undefined) return false;
  const { call, recognises, besides = [], ...described } = verb;
  const command = stage.history.issue(described);
  const others = besides.map((one) => stage.history.issue({ ...one, what: `${verb.what}, before that` }));
  const callAndEnd = async (): Promise<unknown> => {
    try {
      return await call();
    } finally {
      for (const one of others) if (one.ended === undefined) stage.history.abandon(one);
    }
  };
  stage.trackStructure({ command, call: callAndEnd, recognises });
  return true;
}

/** Does the verb change how many sectors a VLUN has? */
export function movesEnd({ history }: Stage, operation: Operation): boolean {
  if (operation.do !== 'rollback') return operation.do === 'resize';
  const { vluns, snapshots } = history.head;
  const target = snapshots.get(snapshotKey(operation.vlun, operation.snapshot));
  return target?.sectors !== vluns.get(operation.vlun)?.sectors;
}

function create({ pool, history }: Stage, operation: On<'create'>): Verb | undefined {
  const { vlun: name, sectors, blockBytes, writeCache } = operation;
  const sizeBytes = sectors * SECTOR_BYTES;
  if (history.head.vluns.has(name) || sizeBytes % blockBytes !== 0) return undefined;
  return {
    what: `create ${name} of ${sectors} sectors`,
    restructure: (model) => model.create(name, sizeBytes, blockBytes),
    call: () => pool.createVlun({ name, sizeBytes, blockBytes, writeCache }),
    recognises: (change) => hasVlun(change, (vlun) => vlun.name === name),
  };
}

function snapshot({ pool, history }: Stage, operation: On<'snapshot'>): Verb | undefined {
  const { vluns, snapshots } = history.head;
  const targets = operation.targets.filter(
    (one) => vluns.has(one.vlun) && !snapshots.has(snapshotKey(one.vlun, one.snapshot)),
  );
  const [first] = targets;
  if (first === undefined) return undefined;
  return {
    what: `snapshot ${targets.map((one) => snapshotKey(one.vlun, one.snapshot)).join(' ')}`,
    restructure: (model) => {
      for (const one of targets) model.snapshot(one.vlun, one.snapshot);
    },
    call: () => pool.createSnapshots(targets),
    recognises: (change) => change.snapshots.some(([, object]) => object?.name === first.snapshot),
  };
}

function deleteSnapshot({ pool, history }: Stage, operation: On<'delete-snapshot'>): Verb | undefined {
  const { vlun, snapshot: name } = operation;
  if (!history.head.snapshots.has(snapshotKey(vlun, name))) return undefined;
  const info = pool.snapshots(vlun).find((one) => one.name === name);
  if (info === undefined) return undefined;
  return {
    what: `delete snapshot ${snapshotKey(vlun, name)}`,
    restructure: (model) => model.deleteSnapshot(vlun, name),
    call: () => pool.deleteSnapshot({ vlun, snapshot: name }),
    recognises: (change) => change.snapshots.some(([id, object]) => id === info.id && object === null),
  };
}

function clone({ pool, history }: Stage, operation: On<'clone'>): Verb | undefined {
  const { vlun, snapshot: name, newName } = operation;
  const { vluns, snapshots } = history.head;
  if (!snapshots.has(snapshotKey(vlun, name)) || vluns.has(newName)) return undefined;
  return {
    what: `clone ${snapshotKey(vlun, name)} as ${newName}`,
    restructure: (model) => model.clonedFrom(vlun, name, newName),
    call: () => pool.clone({ vlun, snapshot: name, newName }),
    recognises: (change) => hasVlun(change, (one) => one.name === newName),
  };
}

function rollback({ pool, history }: Stage, operation: On<'rollback'>): Verb | undefined {
  const { vlun, snapshot: name } = operation;
  const target = history.head.snapshots.get(snapshotKey(vlun, name));
  if (target === undefined || !history.head.mayResize(vlun, target.sectors)) return undefined;
  const id = pool.info(vlun)?.id;
  return {
    what: `roll back to ${snapshotKey(vlun, name)}`,
    restructure: (model) => model.rollback(vlun, name),
    call: () => pool.rollback({ vlun, snapshot: name }),
    recognises: (change) => change.vluns.some(([changed]) => changed === id),
  };
}

function preserve({ pool, history }: Stage, { vlun: name, newName }: On<'preserve'>): Verb | undefined {
  if (!history.head.vluns.has(name) || history.head.vluns.has(newName)) return undefined;
  return {
    what: `preserve ${name} as ${newName}`,
    restructure: (model) => model.preserve(name, newName),
    call: () => pool.preserve({ name, newName }),
    recognises: (change) => hasVlun(change, (vlun) => vlun.name === newName),
  };
}

function release({ pool, history }: Stage, { vlun: name }: On<'release'>): Verb | undefined {
  if (history.head.vluns.get(name)?.tracks === undefined) return undefined;
  return {
    what: `release ${name}`,
    restructure: (model) => model.release(name),
    call: () => pool.release({ name }),
    recognises: (change) => hasVlun(change, (vlun) => vlun.name === name && vlun.tracks === undefined),
  };
}

function resize({ pool, history }: Stage, { vlun: name, sectors }: On<'resize'>): Verb | undefined {
  const vlun = history.head.vluns.get(name);
  const sizeBytes = sectors * SECTOR_BYTES;
  if (vlun === undefined || sizeBytes % vlun.blockBytes !== 0 || vlun.sectors === sectors) return undefined;
  if (!history.head.mayResize(name, sectors)) return undefined;
  return {
    ...clearedBy(history.head, vlun, sectors),
    besides: leftOverIn(history.head, vlun, sectors),
    what: `resize ${name} to ${sectors} sectors`,
    restructure: (model) => model.resize(name, sizeBytes),
    call: () => pool.resizeVlun({ name, sizeBytes, shrink: true }),
    recognises: (change) => hasVlun(change, (one) => one.name === name && one.sizeBytes === sizeBytes),
  };
}

/**
 * What a resize deallocates first: what is cut off, or on growing nothing; and at the top of a family, where
 * nobody is larger, the unseen rest of its last pool block.
 */
function clearedBy(model: Model, vlun: ModelVlun, sectors: number): Cleared | undefined {
  const top = model.topOf(vlun.name);
  if (sectors >= vlun.sectors)
    return sectors > top.sectors ? cleared(top, top.sectors, blockEnd(top)) : undefined;
  const alone = top === vlun && !hasLarger(model, vlun, vlun.sectors);
  return cleared(vlun, sectors, alone ? blockEnd(vlun) : vlun.sectors);
}

/**
 * What a VLUN that tracks another may have left over past its end (snapshot/unseen-rest.ts) is zeroes here,
 * and is stored as such before it grows, or one below it.
 */
function leftOverIn(model: Model, vlun: ModelVlun, sectors: number): Cleared[] {
  if (vlun.tracks === undefined) return [];
  const above = leftOverIn(model, model.vlun(vlun.tracks), sectors);
  const isZero = vlun.stamps.subarray(vlun.sectors, blockEnd(vlun)).every((stamp) => stamp === 0);
  const own = sectors > vlun.sectors && isZero ? cleared(vlun, vlun.sectors, blockEnd(vlun)) : undefined;
  return own === undefined ? above : [...above, own];
}

/** Where the last pool block of the VLUN ends, in sectors. */
function blockEnd({ sectors }: ModelVlun): number {
  return Math.ceil(sectors / SECTORS_PER_POOL_BLOCK) * SECTORS_PER_POOL_BLOCK;
}

function hasLarger(model: Model, { name }: ModelVlun, sectors: number): boolean {
  return model
    .trackersOf(name)
    .some((tracker) => tracker.sectors > sectors || hasLarger(model, tracker, sectors));
}

function cleared({ name }: ModelVlun, from: number, to: number): Cleared | undefined {
  return to > from ? { vlun: name, pieces: [piece(from, new Uint32Array(to - from))] } : undefined;
}

function deleteVlun({ pool, history }: Stage, { vlun: name }: On<'delete'>): Verb | undefined {
  const info = pool.info(name);
  if (info === undefined || !history.head.vluns.has(name)) return undefined;
  return {
    what: `delete ${name}`,
    restructure: (model) => model.deleteVlun(name),
    call: () => pool.deleteVlun({ name, withSnapshots: true }),
    recognises: (change) => change.vluns.some(([id, vlun]) => id === info.id && vlun === null),
  };
}

function document({ pool }: Stage, { name, value }: On<'document'>): Verb {
  return {
    what: `document ${name} = ${value}`,
    restructure: (model) => {
      if (value === undefined) model.documents.delete(name);
      else model.documents.set(name, value);
    },
    call: () => pool.documents.put({ [name]: value }),
    recognises: (change) => change.documents.some(([key, put]) => key === name && put === value),
  };
}
