/**
 * What will stand once a file is applied: its sections, and for those that it does not have what stands now,
 * without the LUNs that go. What cannot be is refused here, each with its place in the file.
 */
import type { Pool } from '../../snapshot/pool.ts';
import { checkSchedule } from '../schedules/schedule.ts';
import { referenceOf } from '../targets/documents.ts';
import type { Configuration, DeclaredLun, DeclaredSecret, DeclaredTarget } from './configuration.ts';
import type { WholeConfiguration } from './present.ts';
import { ConfigFault, type Path, placed } from './shapes.ts';

export interface OutcomeOptions {
  /** LUNs that the file does not have are deleted; without it they are refused. */
  readonly prune: boolean;
  /** Those that have snapshots, too. */
  readonly withSnapshots: boolean;
}

/** ConfigFault. */
export function outcomeOf(
  pool: Pool,
  present: WholeConfiguration,
  file: Configuration,
  options: OutcomeOptions,
): WholeConfiguration {
  const luns = file.luns === undefined ? present.luns : outcomeLuns(pool, present, file.luns);
  if (file.luns !== undefined) checkGone(pool, present, luns, options);
  const whole = {
    pool: { ...file.pool, capacityBytes: file.pool?.capacityBytes ?? present.pool.capacityBytes },
    server: file.server ?? present.server,
    luns,
    targets: file.targets ?? withoutLuns(present.targets, luns),
    schedules: file.schedules ?? schedulesOf(present, luns),
  };
  const thresholdPercents = (file.pool ?? present.pool).thresholdPercents;
  const targets = new Map(outcomeTargets(whole.targets, present));
  checkTargets(pool, { ...whole, targets }, present);
  if (file.schedules !== undefined) checkSchedules({ ...whole, targets });
  return { ...whole, targets, pool: { capacityBytes: whole.pool.capacityBytes, thresholdPercents } };
}

/** What a LUN that is there already was made from is history, and not compared. */
function outcomeLuns(
  pool: Pool,
  present: WholeConfiguration,
  declared: ReadonlyMap<string, DeclaredLun>,
): ReadonlyMap<string, DeclaredLun> {
  const luns = new Map<string, DeclaredLun>();
  for (const [name, lun] of declared) {
    const path = ['luns', name];
    const before = present.luns.get(name);
    if (lun.tracks !== undefined && !declared.has(lun.tracks)) {
      throw new ConfigFault([...path, 'tracks'], `there is no LUN ${lun.tracks} in this file`);
    }
    if (before === undefined) checkNew(pool, lun, path);
    else checkChange(before, lun, path);
    luns.set(name, before === undefined ? lun : { ...lun, clone: lun.tracks ? undefined : before.clone });
  }
  return luns;
}

function checkNew(pool: Pool, { clone }: DeclaredLun, path: Path): void {
  if (clone === undefined) return;
  if (!hasSnapshot(pool, clone)) {
    throw new ConfigFault([...path, 'clone'], `there is no snapshot ${clone}, from which it has to be made`);
  }
}

function checkChange(before: DeclaredLun, lun: DeclaredLun, path: Path): void {
  const fixed = (key: string, why: string): never => {
    throw new ConfigFault([...path, key], why);
  };
  if (lun.blockBytes !== before.blockBytes) {
    fixed('block-size', `it has blocks of ${before.blockBytes} bytes, and that stays`);
  }
  if (lun.removable !== before.removable) fixed('removable', `it is ${before.removable}, and that stays`);
  if (lun.sizeBytes < before.sizeBytes) {
    fixed(
      'size',
      `it has ${before.sizeBytes} bytes; a file only grows it, \`snaplun lun resize --shrink\` shrinks it`,
    );
  }
  if (lun.tracks !== undefined && lun.tracks !== before.tracks) {
    const now = before.tracks === undefined ? 'tracks nothing' : `tracks ${before.tracks}`;
    fixed('tracks', `it ${now}; only a new LUN can begin to track another`);
  }
}

function checkGone(
  pool: Pool,
  present: WholeConfiguration,
  luns: ReadonlyMap<string, DeclaredLun>,
  { prune, withSnapshots }: OutcomeOptions,
): void {
  for (const name of present.luns.keys()) {
    if (luns.has(name)) continue;
    if (!prune) {
      throw new ConfigFault(
        ['luns'],
        `${name} is in the pool and not in the file: declare it, or delete it with --prune`,
      );
    }
    const snapshots = pool.snapshots(name).length;
    if (snapshots > 0 && !withSnapshots) {
      throw new ConfigFault(
        ['luns'],
        `${name} would be deleted and has ${snapshots} snapshots: add --with-snapshots to delete them too`,
      );
    }
  }
}

/** Without a section of targets, those that there are lose what is deleted. */
function withoutLuns(
  targets: ReadonlyMap<string, DeclaredTarget>,
  luns: ReadonlyMap<string, DeclaredLun>,
): ReadonlyMap<string, DeclaredTarget> {
  return new Map(
    [...targets].map(([name, target]) => {
      const left = [...target.luns].filter(([, reference]) => luns.has(referenceOf(reference).vlun));
      const kept = new Map(left);
      const shown = [...(target.initiators ?? [])].map(
        ([initiator, numbers]) =>
          [initiator, numbers === 'all' ? numbers : numbers.filter((lun) => kept.has(lun))] as const,
      );
      return [name, { ...target, luns: kept, initiators: target.initiators && new Map(shown) }];
    }),
  );
}

function schedulesOf(
  present: WholeConfiguration,
  luns: ReadonlyMap<string, DeclaredLun>,
): WholeConfiguration['schedules'] {
  return present.schedules
    .map((schedule) => ({ ...schedule, luns: schedule.luns.filter((lun) => luns.has(lun)) }))
    .filter((schedule) => schedule.luns.length > 0);
}

/** With the default target marked, also where the file does not say which it is. */
function outcomeTargets(
  targets: ReadonlyMap<string, DeclaredTarget>,
  present: WholeConfiguration,
): ReadonlyMap<string, DeclaredTarget> {
  const marked = [...targets].filter(([, { isDefault }]) => isDefault).map(([name]) => name);
  if (marked.length === 1) return targets;
  if (marked.length > 1) {
    throw new ConfigFault(
      ['targets', marked[1] as string, 'default'],
      `${marked[0]} is the default target already`,
    );
  }
  const [name = ''] = [...present.targets].find(([, { isDefault }]) => isDefault) ?? [];
  const target = targets.get(name);
  if (target === undefined) {
    throw new ConfigFault(
      ['targets'],
      `${name} is the default target and not in the file: declare it, or give another "default: true"`,
    );
  }
  return new Map([...targets, [name, { ...target, isDefault: true }]]);
}

function checkTargets(pool: Pool, whole: WholeConfiguration, present: WholeConfiguration): void {
  for (const [name, target] of whole.targets) {
    const path = ['targets', name];
    const seen = new Map<string, number>();
    for (const [lun, reference] of target.luns) {
      const at = [...path, 'luns', String(lun)];
      const { vlun, snapshot } = referenceOf(reference);
      if (!whole.luns.has(vlun)) throw new ConfigFault(at, `there is no LUN ${vlun}`);
      if (snapshot !== undefined && !hasSnapshot(pool, reference)) {
        throw new ConfigFault(at, `there is no snapshot ${reference}`);
      }
      const other = seen.get(reference);
      if (other !== undefined)
        throw new ConfigFault(at, `${reference} is LUN ${other} of this target already`);
      seen.set(reference, lun);
    }
    for (const [initiator, numbers] of target.initiators ?? []) {
      const absent = numbers === 'all' ? undefined : numbers.find((lun) => !target.luns.has(lun));
      if (absent === undefined) continue;
      throw new ConfigFault([...path, 'initiators', initiator], `this target has no LUN ${absent}`);
    }
    const before = present.targets.get(name)?.chap;
    checkStored(target.chap?.inbound, before?.inbound, [...path, 'chap']);
    checkStored(target.chap?.outbound, before?.outbound, [...path, 'chap']);
  }
}

/** `secret: stored` wants one to be there, of that name. */
function checkStored(
  wanted: DeclaredSecret | undefined,
  before: DeclaredSecret | undefined,
  path: Path,
): void {
  if (wanted === undefined || wanted.file !== undefined || wanted.name === before?.name) return;
  throw new ConfigFault(path, `the pool has no secret of ${wanted.name} here; name the file that has it`);
}

function checkSchedules({ schedules, luns }: WholeConfiguration): void {
  const taken = new Set<string>();
  schedules.forEach((schedule, index) => {
    const path = ['schedules', index];
    placed(path, () => checkSchedule({ ...schedule, setAtMs: 0 }));
    for (const lun of schedule.luns) {
      if (!luns.has(lun)) throw new ConfigFault([...path, 'luns'], `there is no LUN ${lun}`);
      const key = `${lun} ${schedule.name}`;
      if (taken.has(key)) {
        throw new ConfigFault(
          [...path, 'luns'],
          `${lun} has a schedule ${schedule.name} already; give this one another name`,
        );
      }
      taken.add(key);
    }
  });
}

function hasSnapshot(pool: Pool, reference: string): boolean {
  const { vlun, snapshot } = referenceOf(reference);
  return pool.info(vlun) !== undefined && pool.snapshots(vlun).some(({ name }) => name === snapshot);
}
