/** The commands that read and write blocks: what is asked of the pool, and what must come of it. */
import assert from 'node:assert';
import type { BlockDevice } from '../../lun/block-device.ts';
import type { BlockRange } from '../../lun/units.ts';
import type { Command } from './command.ts';
import { bytesOfStamps, describeSector, firstWrongSector, SECTOR_BYTES } from './content.ts';
import { Disagreement } from './disagreement.ts';
import type { ModelVlun } from './model.ts';
import { piece, zeroesOver } from './pieces.ts';
import type { Operation, Range } from './script.ts';
import type { Stage } from './stage.ts';

type On<K extends Operation['do']> = Extract<Operation, { do: K }>;

/** COMPARE AND WRITE is for short ranges. */
const COMPARE_SECTORS_MAX = 64;
/** What a buffer holds before a read, and after a write came back: neither may ever be seen again. */
const RUBBISH = 0x77;

export interface Target {
  readonly vlun: ModelVlun;
  readonly device: BlockDevice;
  /** Sectors of a logical block. */
  readonly sectorsEach: number;
  readonly durable: (fua: boolean) => boolean;
}

export function targetOf(stage: Stage, name: string): Target | undefined {
  const vlun = stage.history.head.vluns.get(name);
  const info = stage.pool.info(name);
  if (vlun === undefined || info === undefined) return undefined;
  return {
    vlun,
    device: stage.pool.unit(name).device,
    sectorsEach: vlun.blockBytes / SECTOR_BYTES,
    durable: (fua) => fua || !info.writeCache,
  };
}

export function rangeOf(
  { device }: Pick<Target, 'device'>,
  { at, blocks }: Range,
  blocksMax = Infinity,
): BlockRange {
  const { capacityBlocks } = device.geometry;
  const lba = at % capacityBlocks;
  return { lba, blocks: Math.min(blocks, capacityBlocks - lba, blocksMax) } as BlockRange;
}

export function shown(name: string, { lba, blocks }: BlockRange): string {
  return `${name}[${lba}+${blocks}]`;
}

export function read(stage: Stage, { vlun: name, range: wanted }: On<'read'>): void {
  const target = targetOf(stage, name);
  if (target === undefined) return;
  const range = rangeOf(target, wanted);
  const into = new Uint8Array(range.blocks * target.vlun.blockBytes).fill(RUBBISH);
  const command = stage.history.issue({ what: `read ${shown(name, range)}` });
  const firstSector = range.lba * target.sectorsEach;
  const sectors = range.blocks * target.sectorsEach;
  stage.track({
    command,
    call: () => target.device.read(range, into),
    good: () => {
      if (stage.history.head.vluns.has(name))
        judgeRead(stage, command, { vlun: name, firstSector, sectors, into });
      stage.history.abandon(command);
    },
  });
}

function judgeRead(
  stage: Stage,
  command: Command,
  found: { vlun: string; firstSector: number; sectors: number; into: Uint8Array },
): void {
  const { vlun, firstSector, into } = found;
  if (stage.history.everSince(command, found, (stamps) => firstWrongSector(into, stamps) === undefined))
    return;
  const expected = stage.history.head.vlun(vlun).stamps.subarray(firstSector, firstSector + found.sectors);
  const wrong = firstWrongSector(into, expected) ?? 0;
  throw new Disagreement(
    `${command.what}: sector ${firstSector + wrong} holds ${describeSector(into, wrong)}, expected stamp ${expected[wrong]}`,
  );
}

export function readSnapshot(stage: Stage, operation: On<'read-snapshot'>): void {
  const { vlun, snapshot } = operation;
  const kept = stage.history.head.snapshots.get(`${vlun}@${snapshot}`);
  if (kept === undefined || !stage.pool.snapshots(vlun).some(({ name }) => name === snapshot)) return;
  const { device } = stage.pool.snapshotUnit(vlun, snapshot);
  const range = rangeOf({ device }, operation.range);
  const into = new Uint8Array(range.blocks * kept.blockBytes).fill(RUBBISH);
  const command = stage.history.issue({ what: `read ${shown(`${vlun}@${snapshot}`, range)}` });
  const sectorsEach = kept.blockBytes / SECTOR_BYTES;
  stage.track({
    command,
    call: () => device.read(range, into),
    good: () => {
      const first = range.lba * sectorsEach;
      const expected = kept.stamps.subarray(first, first + range.blocks * sectorsEach);
      const wrong = firstWrongSector(into, expected);
      stage.history.abandon(command);
      if (wrong === undefined) return;
      throw new Disagreement(
        `${command.what}: sector ${first + wrong} holds ${describeSector(into, wrong)}, expected stamp ${expected[wrong]}`,
      );
    },
  });
}

export function write(stage: Stage, { vlun: name, range: wanted, fua, atomic }: On<'write'>): void {
  const target = targetOf(stage, name);
  if (target === undefined) return;
  const range = rangeOf(target, wanted);
  const stamps = stage.freshStamps(range.blocks * target.sectorsEach);
  const bytes = bytesOfStamps(stamps);
  change(stage, target, {
    what: `write${fua ? ' fua' : ''}${atomic ? ' atomic' : ''} ${shown(name, range)} with stamps from ${stamps[0]}`,
    pieces: [piece(range.lba * target.sectorsEach, stamps)],
    fua,
    atomic,
    call: () => target.device.write(range, bytes, { fua, atomic }),
    buffers: [bytes],
  });
}

export function writeSame(stage: Stage, operation: On<'write-same'>): void {
  const { vlun: name, zero, fua } = operation;
  const target = targetOf(stage, name);
  if (target === undefined) return;
  const range = rangeOf(target, operation.range);
  const pattern = zero ? new Uint32Array(target.sectorsEach) : stage.freshStamps(target.sectorsEach);
  const stamps = new Uint32Array(range.blocks * target.sectorsEach);
  for (let at = 0; at < stamps.length; at += pattern.length) stamps.set(pattern, at);
  const bytes = bytesOfStamps(pattern);
  change(stage, target, {
    what: `write same ${shown(name, range)} with stamp ${pattern[0]}`,
    pieces: [piece(range.lba * target.sectorsEach, stamps)],
    fua,
    call: () => target.device.writeSame(range, bytes, { fua }),
    buffers: [bytes],
  });
}

export function unmap(stage: Stage, { vlun: name, ranges: wanted }: On<'unmap'>): void {
  const target = targetOf(stage, name);
  if (target === undefined) return;
  const ranges = wanted.map((range) => rangeOf(target, range));
  change(stage, target, {
    what: `unmap ${ranges.map((range) => shown(name, range)).join(' ')}`,
    pieces: zeroesOver(
      ranges.map(({ lba, blocks }) => ({
        first: lba * target.sectorsEach,
        sectors: blocks * target.sectorsEach,
      })),
    ),
    fua: false,
    call: () => target.device.unmap(ranges, { fua: false }),
    buffers: [],
  });
}

export interface Change {
  readonly what: string;
  readonly pieces: Command['pieces'];
  readonly copied?: NonNullable<Command['copied']>;
  readonly fua: boolean;
  readonly atomic?: boolean;
  readonly call: () => void | Promise<void>;
  /** Given back to the caller when the command has come back. */
  readonly buffers: readonly Uint8Array[];
}

export function change(stage: Stage, target: Target, { call, fua, buffers, ...issued }: Change): void {
  const command = stage.history.issue({ vlun: target.vlun.name, ...issued });
  stage.track({
    command,
    call,
    good: () => {
      for (const buffer of buffers) buffer.fill(RUBBISH);
      if (stage.history.head.vluns.has(target.vlun.name))
        stage.history.acknowledge(command, target.durable(fua));
      else stage.history.abandon(command);
    },
  });
}

export function compareAndWrite(stage: Stage, operation: On<'compare-and-write'>): void {
  const { vlun: name, match, fua } = operation;
  const target = targetOf(stage, name);
  if (target === undefined) return;
  const { vlun, sectorsEach } = target;
  const range = rangeOf(target, operation.range, COMPARE_SECTORS_MAX / sectorsEach);
  const firstSector = range.lba * sectorsEach;
  const sectors = range.blocks * sectorsEach;
  const expected = vlun.stamps.slice(firstSector, firstSector + sectors);
  if (!match) expected.set(stage.freshStamps(1), stage.random.below(sectors));
  const one = piece(firstSector, stage.freshStamps(sectors));
  const bytes = bytesOfStamps(one.stamps);
  const what = `compare and write ${shown(name, range)} with stamps from ${one.stamps[0]}`;
  const command = stage.history.issue({ what, vlun: name, pieces: [one], expected, atomic: true });
  const wanted = bytesOfStamps(expected);
  stage.track({
    command,
    call: () => target.device.compareAndWrite(range, wanted, bytes, { fua }),
    good: (offset) => {
      bytes.fill(RUBBISH);
      if (!stage.history.head.vluns.has(name)) stage.history.abandon(command);
      else if (offset === undefined) stage.history.acknowledge(command, target.durable(fua));
      else judgeMiscompare(stage, command, { vlun: name, firstSector, sectors, offset });
    },
  });
}

function judgeMiscompare(
  stage: Stage,
  command: Command,
  found: { vlun: string; firstSector: number; sectors: number; offset: number },
): void {
  const { expected } = command;
  assert(expected !== undefined);
  if (command.records > 0) throw new Disagreement(`${command.what} both stored and miscompared`);
  const wanted = bytesOfStamps(expected);
  const was = stage.history.everSince(command, found, (stamps) => {
    const first = bytesOfStamps(stamps).findIndex((byte, i) => byte !== wanted[i]);
    return first === found.offset;
  });
  stage.history.abandon(command);
  if (!was)
    throw new Disagreement(`${command.what} miscompared at byte ${found.offset}, where nothing differed`);
}

export function flush(stage: Stage, { vlun: name }: On<'flush'>): void {
  const target = targetOf(stage, name);
  if (target === undefined) return;
  const { acknowledged } = stage.history;
  const command = stage.history.issue({ what: `flush ${name}` });
  stage.track({
    command,
    call: () => target.device.flush(),
    good: () => {
      stage.history.flushed(acknowledged);
      stage.history.abandon(command);
    },
  });
}
