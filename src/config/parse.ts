/** The configuration file: which keys it has and what may stand there. */
import { resolve } from 'node:path';
import { OperatorError } from '../../lun/errors.ts';
import type { LogicalBlockBytes } from '../../lun/units.ts';
import { parseIopsMax, parseThroughputMax } from '../limit-words.ts';
import { DEFAULT_SCHEDULE, type Retention } from '../schedules/schedule.ts';
import { parseEvery, parseTimes, type When } from '../schedules/timing.ts';
import { parseGroupedPortal, parsePortal } from '../shell/portal.ts';
import { LUNS_MAX } from '../targets/lun-numbers.ts';
import { iscsiName } from '../targets/names.ts';
import { parseSize } from '../units-of-size.ts';
import {
  CONFIG_FORMAT,
  type Configuration,
  type DeclaredChap,
  type DeclaredLun,
  type DeclaredSchedule,
  type DeclaredSecret,
  type DeclaredTarget,
} from './configuration.ts';
import {
  type At,
  ConfigFault,
  flag,
  listOf,
  mapOf,
  type Path,
  type Places,
  parsed,
  placed,
  readShaped,
  record,
  type Shape,
  text,
  whole,
} from './shapes.ts';

export interface ReadConfiguration {
  readonly configuration: Configuration;
  readonly places: Places;
}

/**
 * `file` is what messages call it; relative paths in it begin at `directory`. OperatorError bad-config: the
 * first thing that is wrong, with its place.
 */
export function parseConfiguration(words: string, file: string, directory: string): ReadConfiguration {
  const { value, places } = readShaped(words, file, configuration);
  const { targets } = value;
  if (targets === undefined) return { configuration: value, places };
  const located = [...targets].map(([name, one]) => [name, withAbsolutePaths(one, directory)] as const);
  return { configuration: { ...value, targets: new Map(located) }, places };
}

function withAbsolutePaths(target: DeclaredTarget, directory: string): DeclaredTarget {
  const { chap: declared } = target;
  const absolute = ({ name, file }: DeclaredSecret): DeclaredSecret => ({
    name,
    file: file && resolve(directory, file),
  });
  if (declared === undefined) return target;
  const { inbound, outbound } = declared;
  return { ...target, chap: { inbound: absolute(inbound), outbound: outbound && absolute(outbound) } };
}

/** The files that hold secrets, each with the place that names it. */
export function secretFilesOf({
  targets,
}: Configuration): readonly { readonly file: string; readonly path: Path }[] {
  return [...(targets ?? [])].flatMap(([name, { chap: declared }]) => {
    const path = ['targets', name, 'chap'];
    const inbound = { file: declared?.inbound.file, path: [...path, 'secret-file'] };
    const outbound = { file: declared?.outbound?.file, path: [...path, 'mutual-secret-file'] };
    return [inbound, outbound].flatMap(({ file, path: where }) =>
      file === undefined ? [] : [{ file, path: where }],
    );
  });
}

const size = parsed('a size, such as 10G', parseSize);
const percent = whole(1, 100);
const count = whole(0, 100_000);
const lunNumber = whole(0, LUNS_MAX - 1);

const portal = parsed('HOST:PORT', (word) => {
  parsePortal(word);
  return word;
});

const groupedPortal = parsed('HOST:PORT or "HOST:PORT,TAG"', (word) => {
  parseGroupedPortal(word);
  return word;
});

/** A target of this name. */
const targetName = (word: string): string => iscsiName(word, 'target');
const initiatorName = (word: string): string => iscsiName(word, 'initiator');

function lunKey(word: string): string {
  if (/^\d{1,3}$/.test(word) && Number(word) < LUNS_MAX) return String(Number(word));
  throw new OperatorError('bad-config', `want a LUN number from 0 to ${LUNS_MAX - 1}`);
}

const blockBytes: Shape<LogicalBlockBytes> = (node, at) => {
  const value = whole(1, 65_536)(node, at);
  if (value === 512 || value === 4096) return value;
  throw new ConfigFault(at.path, 'a logical block has 512 or 4096 bytes');
};

/** A size, "full" or "none". */
const reserve = parsed('a size, "full" or "none"', (word) =>
  word === 'full' || word === 'none' ? word : parseSize(word),
);

const iopsMax = parsed('how many reads and writes a second, or "none"', parseIopsMax);
const throughputMax = parsed('a size that is moved in a second, or "none"', parseThroughputMax);

const lunRecord = record(
  {
    ...{ size, 'block-size': blockBytes, 'read-only': flag, removable: flag, 'write-cache': flag, reserve },
    ...{ 'iops-max': iopsMax, 'throughput-max': throughputMax, tracks: text, clone: text },
  },
  ['size'],
);

const lun: Shape<DeclaredLun> = (node, at) => {
  const given = lunRecord(node, at);
  if (given.tracks !== undefined && given.clone !== undefined) {
    throw new ConfigFault(at.path, 'a LUN either tracks another or is a clone');
  }
  const reserved = given.reserve ?? 'none';
  const reservedBytes = reserved === 'full' ? given.size : reserved === 'none' ? 0 : reserved;
  if (reservedBytes > given.size) {
    throw new ConfigFault([...at.path, 'reserve'], 'a reservation is at most the size of the LUN');
  }
  return {
    ...{ sizeBytes: given.size, blockBytes: given['block-size'] ?? 512, reservedBytes },
    ...{ readOnly: given['read-only'] ?? false, removable: given.removable ?? false },
    ...{ writeCache: given['write-cache'] ?? true, tracks: given.tracks, clone: given.clone },
    ...{ iopsMax: given['iops-max'] ?? 0, throughputMaxBytes: given['throughput-max'] ?? 0 },
  };
};

const shownLuns: Shape<readonly number[] | 'all'> = (node, at) => {
  if (parsedOrNothing(node, at) === 'all') return 'all';
  const numbers = listOf(lunNumber, '"all" or a list of LUN numbers')(node, at);
  return [...new Set(numbers)].sort((a, b) => a - b);
};

function parsedOrNothing(node: Parameters<typeof text>[0], at: At): string | undefined {
  try {
    return text(node, at);
  } catch (error) {
    if (error instanceof ConfigFault) return undefined;
    throw error;
  }
}

const chapRecord = record(
  {
    ...{ user: text, 'secret-file': text, secret: text },
    ...{ 'mutual-user': text, 'mutual-secret-file': text, 'mutual-secret': text },
  },
  ['user'],
);

const chap: Shape<DeclaredChap> = (node, at) => {
  const given = chapRecord(node, at);
  const inbound = secretOf(at, '', given.user, { file: given['secret-file'], kept: given.secret });
  const of = { file: given['mutual-secret-file'], kept: given['mutual-secret'] };
  const user = given['mutual-user'];
  if (user === undefined) {
    if (of.file === undefined && of.kept === undefined) return { inbound };
    throw new ConfigFault(at.path, 'mutual CHAP wants "mutual-user", a name of its own');
  }
  return { inbound, outbound: secretOf(at, 'mutual-', user, of) };
};

/** A secret is never in the file itself. */
function secretOf(
  at: At,
  prefix: string,
  name: string,
  of: { readonly file: string | undefined; readonly kept: string | undefined },
): DeclaredSecret {
  if (of.kept !== undefined && of.kept !== 'stored') {
    throw new ConfigFault(
      [...at.path, `${prefix}secret`],
      `secrets do not stand here; name a file with "${prefix}secret-file", or say "stored" to keep the one in the pool`,
    );
  }
  if ((of.file === undefined) === (of.kept === undefined)) {
    throw new ConfigFault(at.path, `want either "${prefix}secret-file" or "${prefix}secret: stored"`);
  }
  return { name, file: of.file };
}

const redirect = record({ address: portal, permanent: flag }, ['address']);

const targetRecord = record(
  {
    ...{ default: flag, alias: text, luns: mapOf(lunKey, text) },
    ...{ initiators: mapOf(initiatorName, shownLuns), chap, redirect },
  },
  [],
);

const target: Shape<DeclaredTarget> = (node, at) => {
  const given = node === null || isEmpty(node) ? {} : targetRecord(node, at);
  const luns = [...(given.luns ?? [])].map(([key, reference]) => [Number(key), reference] as const);
  return {
    isDefault: given.default ?? false,
    alias: given.alias,
    luns: new Map(luns.sort(([a], [b]) => a - b)),
    initiators: given.initiators === undefined ? undefined : sorted(given.initiators),
    chap: given.chap,
    redirect: given.redirect && {
      address: given.redirect.address,
      permanent: given.redirect.permanent ?? false,
    },
  };
};

/** `iqn…:` with nothing behind it is a target with nothing said about it. */
function isEmpty(node: Parameters<typeof target>[0]): boolean {
  return node === undefined || (node !== null && 'value' in node && node.value === null);
}

const scheduleRecord = record(
  {
    ...{ name: text, luns: listOf(text, 'a list of LUNs'), every: text, at: listOf(text, 'a list of times') },
    ...{ 'keep-last': count, 'keep-hourly': count, 'keep-daily': count, 'keep-weekly': count },
    ...{ 'keep-monthly': count },
  },
  ['luns'],
);

const schedule: Shape<DeclaredSchedule> = (node, at) => {
  const given = scheduleRecord(node, at);
  const keep = Object.entries({
    ...{ last: given['keep-last'], hourly: given['keep-hourly'], daily: given['keep-daily'] },
    ...{ weekly: given['keep-weekly'], monthly: given['keep-monthly'] },
  }).filter(([, kept]) => kept !== undefined);
  return {
    name: given.name ?? DEFAULT_SCHEDULE,
    luns: [...given.luns].sort(),
    when: whenOf(given, at),
    keep: Object.fromEntries(keep) as Retention,
  };
};

function whenOf(
  { every, at: times }: { readonly every?: string | undefined; readonly at?: readonly string[] | undefined },
  at: At,
): When {
  if ((every === undefined) === (times === undefined)) {
    throw new ConfigFault(at.path, 'a schedule wants either "every" or "at"');
  }
  if (every === undefined) return placed([...at.path, 'at'], () => parseTimes(times ?? []));
  return placed([...at.path, 'every'], () => parseEvery(every));
}

const fileRecord = record(
  {
    snaplun: whole(1, Number.MAX_SAFE_INTEGER),
    pool: record({ capacity: size, thresholds: listOf(percent, 'a list of percents') }, []),
    server: record(
      {
        portals: listOf(groupedPortal, 'a list of HOST:PORT'),
        advertise: listOf(groupedPortal, 'a list of HOST:PORT'),
        isns: portal,
      },
      [],
    ),
    luns: mapOf((word) => word, lun),
    targets: mapOf(targetName, target),
    schedules: listOf(schedule, 'a list of schedules'),
  },
  ['snaplun'],
);

const configuration: Shape<Configuration> = (node, at) => {
  const { snaplun: format, pool, server, luns, targets, schedules } = fileRecord(node, at);
  if (format !== CONFIG_FORMAT) {
    throw new ConfigFault(['snaplun'], `this program reads form ${CONFIG_FORMAT}, not ${format}`);
  }
  return {
    ...(pool && { pool: { capacityBytes: pool.capacity, thresholdPercents: pool.thresholds } }),
    ...(server && { server }),
    ...(luns && { luns: sorted(luns) }),
    ...(targets && { targets: sorted(targets) }),
    ...(schedules && { schedules }),
  };
};

function sorted<T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...map].sort(([one], [other]) => (one < other ? -1 : 1)));
}
