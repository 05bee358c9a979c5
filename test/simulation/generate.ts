/**
 * A script from a seed. Every seed leans its own way: it draws which kinds of operation occur and how often,
 * where the hot spots are and how the world is made; uniform choice everywhere would hardly ever meet the
 * extremes.
 */
import type { Operation as MediumOperation } from '../../snapshot/medium/fault-plan.ts';
import { type Random, seededRandom } from '../support/random.ts';
import type { Operation, Range, Script, World } from './script.ts';

const VLUNS_MAX = 7;
const SNAPSHOTS_MAX = 12;
const SECTORS_PER_POOL_BLOCK = 8;

type Kind = Exclude<Operation['do'], 'create'> | 'create';

/** How often each kind occurs before a seed leans. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  create: 2,
  read: 30,
  'read-snapshot': 6,
  write: 45,
  'write-same': 5,
  unmap: 8,
  'compare-and-write': 6,
  copy: 12,
  flush: 4,
  snapshot: 5,
  'delete-snapshot': 3,
  clone: 3,
  rollback: 2,
  preserve: 4,
  release: 2,
  resize: 2,
  delete: 1.5,
  document: 2,
  diff: 2,
  grow: 0.7,
  check: 0.7,
  scrub: 0.5,
  checkpoint: 1.5,
  run: 10,
  settle: 1.5,
  reopen: 0.7,
  kill: 1,
  'power-cut': 1.5,
  'crash-opening': 0.7,
  fault: 0.8,
};

const ALWAYS: ReadonlySet<Kind> = new Set(['create', 'read', 'write']);
const FAULTS: readonly MediumOperation[] = [
  'read',
  'write',
  'discard',
  'data-flush',
  'data-flush',
  'append',
  'journal-flush',
  'journal-flush',
  'commit',
  'drop-before',
  'begin-segment',
  'grow',
  'get',
  'scan',
];

/** What the generator believes to exist; it may be wrong after a crash. */
interface Belief {
  readonly vluns: Map<string, { sectors: number; blockBytes: 512 | 4096 }>;
  readonly snapshots: Array<{ vlun: string; snapshot: string }>;
  /** Of a VLUN: in a small pool the same places are to be used again and again, not to run out. */
  readonly vlunBlocksMax: number;
  named: number;
}

export interface Mix {
  /** Kinds that must not occur. */
  readonly without?: readonly Operation['do'][];
  readonly operationsMax?: number;
}

export function generate(seed: number, mix: Mix = {}): Script {
  const random = seededRandom(seed);
  const world = makeWorld(random);
  const weights = lean(random, new Set(mix.without ?? []));
  const hot = Array.from({ length: random.between(1, 3) }, () => random.below(4000));
  const belief: Belief = {
    vluns: new Map(),
    snapshots: [],
    vlunBlocksMax: Math.ceil(world.capacityBlocks * random.pick([0.06, 0.12, 0.25, 1])),
    named: 0,
  };
  const operations: Operation[] = begin(random, belief);
  const count = random.between(20, mix.operationsMax ?? 250);
  while (operations.length < count) {
    const operation = make(pickKind(random, weights), random, { belief, hot });
    if (operation !== undefined) operations.push(operation);
  }
  return { seed, world, operations };
}

/** A VLUN, and often one that tracks it and one that tracks that: most rules are about families. */
function begin(random: Random, belief: Belief): Operation[] {
  const operations = [create(random, belief)];
  const generations = random.pick([0, 0, 1, 2, 3]);
  while (operations.length <= generations) {
    operations.push(preserve(random.pick([...belief.vluns.keys()]), belief));
  }
  return operations;
}

function makeWorld(random: Random): World {
  const small = random.chance(0.3);
  return {
    capacityBlocks: small
      ? random.pick([random.between(60, 200), random.between(60, 200), random.between(200, 900)])
      : random.pick([6_000, 20_000, 70_000]),
    journalSegmentBytes: random.pick([64, 64, 128, 256]) * 1024,
    atOnceChance: random.pick([0, 0, 0.5, 0.9, 1]),
    ...(random.chance(0.1) && { spaceBlocks: random.between(150, 1500) }),
    ...(random.chance(0.25) && { patient: true }),
    depth: random.pick([1, 2, 4, 8, 16, 32]),
    options: {
      flushIntervalMs: random.pick([10, 100, 1000]),
      flushBytes: random.pick([64 * 1024, 1 << 20, 1 << 26]),
      tableCacheBytes: random.pick([0, 4_000, 40_000, 1 << 26]),
      resolvedCacheBytes: random.pick([0, 4_000, 40_000, 1 << 26]),
      checkpointJournalBytes: random.pick([4_000, 40_000, 1 << 20, 1 << 26]),
      checkpointDirtyPages: random.pick([1, 3, 20, 10_000]),
      batchBytes: random.pick([4096, 64 * 1024, 1 << 20]),
      recordBytes: random.pick([4096, 16 * 1024, 256 * 1024]),
      discardBlocksMin: random.pick([1, 4, 16]),
      reclaimPagesPerStep: random.pick([1, 2, 64]),
      reclaimPauseMs: random.pick([0, 1, 50]),
      trimDelayMs: random.pick([1, 20, 500]),
      allocatorCacheBytes: random.pick([0, 10_000, 1 << 25]),
      unflushedBytesMax: random.pick([4096, 1 << 20, 1 << 29]),
      checkpointJournalRecords: random.pick([2, 40, 100_000]),
      reorderBlocksMin: random.pick([2, 2, 8]),
      reorderOneIn: random.pick([1, 4]),
    },
  };
}

function lean(random: Random, without: ReadonlySet<Kind>): Array<readonly [Kind, number]> {
  const kinds = Object.keys(WEIGHTS) as Kind[];
  return kinds
    .filter((kind) => !without.has(kind) && (ALWAYS.has(kind) || random.chance(0.75)))
    .map((kind) => [kind, WEIGHTS[kind] * random.pick([0.3, 1, 1, 3])] as const);
}

function pickKind(random: Random, weights: ReadonlyArray<readonly [Kind, number]>): Kind {
  let left = random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of weights) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'read';
}

interface Context {
  readonly belief: Belief;
  readonly hot: readonly number[];
}

function make(kind: Kind, random: Random, context: Context): Operation | undefined {
  const { belief } = context;
  if (kind === 'create') return belief.vluns.size < VLUNS_MAX ? create(random, belief) : undefined;
  return (
    makeControl(kind, random) ?? makeOnVlun(kind, random, context) ?? makeOnSnapshot(kind, random, context)
  );
}

function makeControl(kind: Kind, random: Random): Operation | undefined {
  if (kind === 'run') return { do: kind, events: random.pick([1, 3, 10, 60]) };
  if (kind === 'checkpoint' || kind === 'settle' || kind === 'reopen' || kind === 'scrub')
    return { do: kind };
  if (kind === 'grow') return { do: kind, blocks: random.pick([1, 50, 1000]) };
  if (kind === 'check') return { do: kind, data: random.chance(0.5) };
  if (kind === 'kill' || kind === 'power-cut') return { do: kind };
  if (kind === 'crash-opening') {
    return { do: kind, how: random.pick(['kill', 'power-cut']), events: random.below(60) };
  }
  if (kind === 'document') {
    const value = random.chance(0.8) ? random.below(1000) : undefined;
    return { do: kind, name: `document-${random.below(5)}`, value };
  }
  if (kind === 'fault') {
    const how = random.pick(['error', 'error', 'error', 'short', 'no-space'] as const);
    return { do: kind, on: random.pick(FAULTS), skip: random.pick([0, 0, 1, 5, 20]), how };
  }
  return undefined;
}

function makeOnVlun(kind: Kind, random: Random, { belief, hot }: Context): Operation | undefined {
  const names = [...belief.vluns.keys()];
  if (names.length === 0) return undefined;
  const vlun = random.pick(names);
  const form = belief.vluns.get(vlun) as { sectors: number; blockBytes: 512 | 4096 };
  const range = (): Range => makeRange(random, hot, form.blockBytes);
  const fua = random.chance(0.08);
  switch (kind) {
    case 'read':
      return { do: kind, vlun, range: range() };
    case 'write':
      return { do: kind, vlun, range: range(), fua, atomic: random.chance(0.15) };
    case 'write-same':
      return { do: kind, vlun, range: range(), zero: random.chance(0.4), fua };
    case 'unmap':
      return { do: kind, vlun, ranges: Array.from({ length: random.pick([1, 1, 1, 2, 5]) }, range) };
    case 'compare-and-write':
      return { do: kind, vlun, range: range(), match: random.chance(0.7), fua };
    case 'copy':
      return copy(random, { belief, hot }, { vlun, range: range(), fua });
    case 'flush':
    case 'release':
      return { do: kind, vlun };
    case 'resize':
      form.sectors = makeSectors(random, { blockBytes: form.blockBytes, blocksMax: belief.vlunBlocksMax });
      return { do: kind, vlun, sectors: form.sectors };
    case 'delete':
      belief.vluns.delete(vlun);
      return { do: kind, vlun };
    case 'preserve':
      return belief.vluns.size < VLUNS_MAX ? preserve(vlun, belief) : undefined;
    case 'snapshot':
      return snapshot(random, belief);
    default:
      return undefined;
  }
}

function makeOnSnapshot(kind: Kind, random: Random, { belief, hot }: Context): Operation | undefined {
  const { snapshots, vluns } = belief;
  if (snapshots.length === 0) return undefined;
  const index = random.below(snapshots.length);
  const target = snapshots[index] as { vlun: string; snapshot: string };
  if (kind === 'read-snapshot') return { do: kind, ...target, range: makeRange(random, hot, 512) };
  if (kind === 'delete-snapshot') {
    snapshots.splice(index, 1);
    return { do: kind, ...target };
  }
  if (kind === 'rollback') return { do: kind, ...target };
  if (kind === 'diff') {
    const from = snapshots.find(({ vlun, snapshot }) => vlun === target.vlun && snapshot !== target.snapshot);
    return { do: kind, vlun: target.vlun, to: target.snapshot, ...(from && { from: from.snapshot }) };
  }
  if (kind !== 'clone' || vluns.size >= VLUNS_MAX) return undefined;
  const newName = nextName(belief);
  vluns.set(newName, vluns.get(target.vlun) ?? { sectors: 0, blockBytes: 512 });
  return { do: kind, ...target, newName };
}

/** Most copies begin where blocks can be shared; so near each other that some overlap. */
function copy(
  random: Random,
  { belief, hot }: Context,
  to: { readonly vlun: string; readonly range: Range; readonly fua: boolean },
): Operation {
  const kept = belief.snapshots.length > 0 && random.chance(0.25) ? random.pick(belief.snapshots) : undefined;
  const from = kept?.vlun ?? (random.chance(0.3) ? to.vlun : random.pick([...belief.vluns.keys()]));
  const { range } = to;
  const away = random.pick([1, 2, 3, 20, -1, -2, -20, 0]) * SECTORS_PER_POOL_BLOCK;
  const at = random.chance(0.7) ? Math.max(0, range.at + away) : makeRange(random, hot, 512).at;
  return { do: 'copy', ...to, from, at, ...(kept !== undefined && { snapshot: kept.snapshot }) };
}

function nextName(belief: Belief): string {
  belief.named += 1;
  return `v${belief.named}`;
}

function create(random: Random, belief: Belief): Operation {
  const vlun = nextName(belief);
  const blockBytes = random.chance(0.65) ? 512 : 4096;
  const sectors = makeSectors(random, { blockBytes, blocksMax: belief.vlunBlocksMax });
  belief.vluns.set(vlun, { sectors, blockBytes });
  return { do: 'create', vlun, sectors, blockBytes, writeCache: random.chance(0.9) };
}

function preserve(vlun: string, belief: Belief): Operation {
  const newName = nextName(belief);
  belief.vluns.set(newName, { ...(belief.vluns.get(vlun) as { sectors: number; blockBytes: 512 | 4096 }) });
  return { do: 'preserve', vlun, newName };
}

/** Of one VLUN, or of several at one point of the journal. */
function snapshot(random: Random, belief: Belief): Operation | undefined {
  if (belief.snapshots.length >= SNAPSHOTS_MAX) return undefined;
  const names = [...belief.vluns.keys()];
  const count = random.chance(0.7) ? 1 : random.between(1, names.length);
  const targets: Array<{ vlun: string; snapshot: string }> = [];
  while (targets.length < count) {
    const [vlun] = names.splice(random.below(names.length), 1);
    belief.named += 1;
    targets.push({ vlun: vlun as string, snapshot: `s${belief.named}` });
  }
  belief.snapshots.push(...targets);
  return { do: 'snapshot', targets };
}

function makeSectors(
  random: Random,
  { blockBytes, blocksMax }: { readonly blockBytes: 512 | 4096; readonly blocksMax: number },
): number {
  const wanted = [
    random.between(1, 8),
    random.between(64, 130),
    random.between(64, 300),
    random.between(250, 600),
  ];
  const blocks = Math.min(random.pick(wanted), blocksMax);
  const odd = blockBytes === 512 && random.chance(0.5) ? random.below(SECTORS_PER_POOL_BLOCK) : 0;
  return blocks * SECTORS_PER_POOL_BLOCK + odd;
}

function makeRange(random: Random, hot: readonly number[], blockBytes: 512 | 4096): Range {
  const perPoolBlock = blockBytes === 512 ? SECTORS_PER_POOL_BLOCK : 1;
  const near = random.chance(0.8)
    ? random.pick(hot) + random.below(random.pick([8, 16, 40]))
    : random.below(5000);
  const poolBlocks = random.pick([1, 1, 1, 2, 5, 20, random.chance(0.2) ? 300 : 3]);
  if (random.chance(0.5)) {
    const aligned = Math.floor(near / SECTORS_PER_POOL_BLOCK) * perPoolBlock;
    return { at: aligned, blocks: poolBlocks * perPoolBlock };
  }
  const at = blockBytes === 512 ? near : Math.floor(near / SECTORS_PER_POOL_BLOCK);
  return { at, blocks: random.between(1, Math.max(1, poolBlocks * perPoolBlock)) };
}
