/** `snaplun top`: what passes through the LUNs, the busiest first. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import { ask } from '../admin/client.ts';
import type { LunTraffic, TrafficDocument } from '../admin/verbs/traffic.ts';
import { formatSize } from '../units-of-size.ts';
import { adminSocketOf, type GlobalOptions } from './command.ts';
import { table } from './table.ts';

/** Of one LUN over an interval. */
interface Rates {
  readonly name: string;
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  readonly othersPerSecond: number;
  readonly readBytesPerSecond: number;
  readonly writtenBytesPerSecond: number;
  /** Mean time from arrival to answer; null where there was no such command. */
  readonly readMeanUs: number | null;
  readonly writeMeanUs: number | null;
  readonly queue: number;
}

const SECONDS_MIN = 0.1;
const SECONDS_MAX = 3600;
const US_PER_MS = 1000;
/** ECMA-48: the cursor to the upper left corner, and everything after it is erased. */
const CLEAR = '\u001b[H\u001b[J';

interface TopOptions extends GlobalOptions {
  readonly interval: number;
  readonly count: number | undefined;
}

export function topCommand(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command(
    'top',
    'what passes through the LUNs, the busiest first',
    (command) =>
      command
        .option('interval', {
          type: 'number',
          default: 2,
          describe: 'seconds that each table is of',
          coerce: interval,
        })
        .option('count', {
          type: 'number',
          describe: 'tables until it ends (default: on a terminal without end, else 1)',
          coerce: count,
        })
        .example('$0 top', 'until Ctrl-C')
        .example('$0 top --interval 10 --json', 'the mean of ten seconds, for scripts'),
    (argv) => top(argv),
  );
}

function interval(seconds: number): number {
  if (seconds >= SECONDS_MIN && seconds <= SECONDS_MAX) return seconds;
  throw new OperatorError('usage', `--interval wants ${SECONDS_MIN} to ${SECONDS_MAX} seconds`);
}

function count(tables: number | undefined): number | undefined {
  if (tables === undefined || (Number.isInteger(tables) && tables > 0)) return tables;
  throw new OperatorError('usage', '--count wants a whole number above 0');
}

async function top(options: TopOptions): Promise<void> {
  if (options.json && (options.count ?? 1) > 1)
    throw new OperatorError('usage', '--json prints one document: with it, --count can only be 1');
  const repeats = process.stdout.isTTY === true && !options.json;
  const tables = options.count ?? (repeats ? Number.POSITIVE_INFINITY : 1);
  const socket = adminSocketOf(options);
  let before = (await ask(socket, 'traffic', {})) as TrafficDocument;
  for (let shown = 0; shown < tables; shown += 1) {
    await pause(options.interval * 1000);
    const now = (await ask(socket, 'traffic', {})) as TrafficDocument;
    const intervalSeconds = (now.atMs - before.atMs) / 1000;
    const luns = ratesBetween(before.luns, now.luns, intervalSeconds);
    const text = options.json ? JSON.stringify({ intervalSeconds, luns }, null, 2) : topText(luns);
    process.stdout.write(`${repeats ? CLEAR : ''}${text}\n`);
    before = now;
  }
}

/** The busiest first. A LUN that came meanwhile began with nothing. */
export function ratesBetween(
  before: readonly LunTraffic[],
  now: readonly LunTraffic[],
  seconds: number,
): Rates[] {
  const olds = new Map(before.map((lun) => [lun.name, lun]));
  const rates = now.map((lun): Rates => {
    const old = olds.get(lun.name);
    // One that was mapped anew counts from nothing again.
    const since = old !== undefined && old.reads <= lun.reads && old.writes <= lun.writes ? old : undefined;
    const more = (field: Exclude<keyof LunTraffic, 'name' | 'queue'>): number =>
      lun[field] - (since?.[field] ?? 0);
    const perSecond = (field: Parameters<typeof more>[0]): number => Math.round(more(field) / seconds);
    return {
      name: lun.name,
      readsPerSecond: perSecond('reads'),
      writesPerSecond: perSecond('writes'),
      othersPerSecond: perSecond('others'),
      readBytesPerSecond: perSecond('readBytes'),
      writtenBytesPerSecond: perSecond('writtenBytes'),
      readMeanUs: more('reads') === 0 ? null : Math.round(more('readUs') / more('reads')),
      writeMeanUs: more('writes') === 0 ? null : Math.round(more('writeUs') / more('writes')),
      queue: lun.queue,
    };
  });
  const busy = ({ readsPerSecond, writesPerSecond, othersPerSecond }: Rates): number =>
    readsPerSecond + writesPerSecond + othersPerSecond;
  return rates.sort((a, b) => busy(b) - busy(a) || (a.name < b.name ? -1 : 1));
}

function topText(luns: readonly Rates[]): string {
  return table(
    ['NAME', 'READS/S', 'WRITES/S', 'OTHERS/S', 'READ/S', 'WRITTEN/S', 'READ MS', 'WRITE MS', 'QUEUE'],
    luns.map((lun) => [
      lun.name,
      lun.readsPerSecond,
      lun.writesPerSecond,
      lun.othersPerSecond,
      formatSize(lun.readBytesPerSecond),
      formatSize(lun.writtenBytesPerSecond),
      milliseconds(lun.readMeanUs),
      milliseconds(lun.writeMeanUs),
      lun.queue,
    ]),
  );
}

function milliseconds(us: number | null): string {
  return us === null ? '-' : (us / US_PER_MS).toFixed(2);
}
