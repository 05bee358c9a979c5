/**
 * What would change, for people: every subject (a LUN, a target, a schedule, …) as a list of facts in the
 * words of the file, before and after.
 */
import { type When, whenWords } from '../schedules/timing.ts';
import { exactSize } from '../units-of-size.ts';
import type { DeclaredLun, DeclaredSchedule, DeclaredSecret, DeclaredTarget } from './configuration.ts';
import type { WholeConfiguration } from './present.ts';

/** One line of the difference. */
export interface Change {
  readonly action: 'create' | 'change' | 'delete';
  /** `lun db`, `target iqn…`, `schedule nightly of db`, `pool`, `server`. */
  readonly subject: string;
  /** Of a change: the key, with what it said before and says then; null where it said nothing. */
  readonly key?: string;
  readonly before?: string | null;
  readonly after?: string | null;
  /** Of something made: what it is like. */
  readonly facts?: Readonly<Record<string, string>>;
}

type Facts = Readonly<Record<string, string | undefined>>;

/** `+ lun log: size 10G`, `~ lun db: size 10G -> 20G`, `- lun old`. */
export function changeText({ action, subject, key, before, after, facts = {} }: Change): string {
  if (action === 'delete') return `- ${subject}`;
  if (action === 'change') return `~ ${subject}: ${key} ${before ?? 'none'} -> ${after ?? 'none'}`;
  const words = Object.entries(facts).map(([name, value]) => `${name} ${value}`);
  return words.length === 0 ? `+ ${subject}` : `+ ${subject}: ${words.join(', ')}`;
}

/** `other` holds the names of the targets whose secrets are others than before, with which of them. */
export function difference(
  before: WholeConfiguration,
  after: WholeConfiguration,
  newSecrets: ReadonlySet<string>,
): readonly Change[] {
  const old = subjects(before, new Set());
  const wanted = subjects(after, newSecrets);
  const changes: Change[] = [];
  for (const [subject, facts] of wanted) {
    const was = old.get(subject);
    if (was === undefined) changes.push({ action: 'create', subject, facts: said(facts) });
    else changes.push(...changed(subject, was, facts));
  }
  for (const subject of old.keys()) if (!wanted.has(subject)) changes.push({ action: 'delete', subject });
  return changes;
}

function changed(subject: string, was: Facts, facts: Facts): readonly Change[] {
  const keys = [...new Set([...Object.keys(facts), ...Object.keys(was)])];
  return keys
    .filter((key) => was[key] !== facts[key])
    .map((key) => ({
      action: 'change' as const,
      ...{ subject, key, before: was[key] ?? null, after: facts[key] ?? null },
    }));
}

function said(facts: Facts): Readonly<Record<string, string>> {
  const known = Object.entries(facts).filter((fact): fact is [string, string] => fact[1] !== undefined);
  return Object.fromEntries(known);
}

function subjects(whole: WholeConfiguration, newSecrets: ReadonlySet<string>): Map<string, Facts> {
  const { pool, server, luns, targets, schedules } = whole;
  const found = new Map<string, Facts>();
  const { capacityBytes, thresholdPercents } = pool;
  found.set('pool', {
    capacity: capacityBytes === undefined ? undefined : exactSize(capacityBytes),
    thresholds: listText(thresholdPercents),
  });
  found.set('server', {
    ...{ portals: listText(server.portals), advertise: listText(server.advertise), isns: server.isns },
  });
  for (const [name, lun] of luns) found.set(`lun ${name}`, lunFacts(lun));
  for (const [name, target] of targets) {
    found.set(
      `target ${name}`,
      targetFacts(target, (which) => newSecrets.has(`${which} ${name}`)),
    );
  }
  for (const one of schedules) found.set(`schedule ${one.name} of ${one.luns.join(',')}`, scheduleFacts(one));
  return found;
}

function listText(items: readonly (string | number)[] | undefined): string | undefined {
  if (items === undefined) return undefined;
  return items.length === 0 ? '[]' : items.join(', ');
}

function lunFacts(lun: DeclaredLun): Facts {
  const yes = (value: boolean): string | undefined => (value ? 'true' : undefined);
  return {
    size: exactSize(lun.sizeBytes),
    'block-size': String(lun.blockBytes),
    'read-only': yes(lun.readOnly),
    removable: yes(lun.removable),
    'write-cache': lun.writeCache ? undefined : 'false',
    reserve: lun.reservedBytes === 0 ? undefined : exactSize(lun.reservedBytes),
    'iops-max': lun.iopsMax === 0 ? undefined : String(lun.iopsMax),
    'throughput-max': lun.throughputMaxBytes === 0 ? undefined : exactSize(lun.throughputMaxBytes),
    tracks: lun.tracks,
    clone: lun.clone,
  };
}

function targetFacts(target: DeclaredTarget, isNew: (which: string) => boolean): Facts {
  const { initiators, chap, redirect } = target;
  const secret = (of: DeclaredSecret | undefined, which: string): string | undefined =>
    of && `${of.name} (${of.file ?? 'stored'}${isNew(which) ? ', another secret' : ''})`;
  return {
    default: target.isDefault ? 'true' : undefined,
    alias: target.alias,
    ...Object.fromEntries([...target.luns].map(([lun, reference]) => [`lun ${lun}`, reference])),
    initiators: initiators === undefined ? undefined : 'only those listed',
    ...Object.fromEntries(
      [...(initiators ?? [])].map(([name, shown]) => [
        `initiator ${name}`,
        shown === 'all' ? 'all' : `lun ${shown.join(' ') || 'none'}`,
      ]),
    ),
    chap: secret(chap?.inbound, 'inbound'),
    'mutual chap': secret(chap?.outbound, 'outbound'),
    redirect: redirect && `${redirect.address}${redirect.permanent ? ' permanently' : ''}`,
  };
}

function scheduleFacts({ when, keep }: DeclaredSchedule): Facts {
  const kept = Object.entries(keep).map(([period, count]) => [`keep-${period}`, String(count)]);
  return { ...whenFacts(when), ...Object.fromEntries(kept) };
}

function whenFacts(when: When): Facts {
  const words = whenWords(when);
  return 'every' in words ? words : { at: words.at.join(', ') };
}
