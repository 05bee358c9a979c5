/** `snaplun serve`: the server in the foreground. */

import { hostname } from 'node:os';
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import { cacheBounds } from '../../snapshot/pool-types.ts';
import { systemClock } from '../clock.ts';
import { DEFAULT_POOL_BYTES, DEFAULT_PORTAL, defaultAdminSocket, defaultPool } from '../config/defaults.ts';
import { ISNS_PORT } from '../isns/messages.ts';
import { createLog, LOG_FORMATS, LOG_LEVELS, type Log, type LogFormat, type LogLevel } from '../log.ts';
import { openOrCreatePoolMedium } from '../media.ts';
import { METRICS_PORT, MONITOR_HOST } from '../monitor/monitor.ts';
import { SnaplunServer } from '../server.ts';
import { ServiceNotices, watchdogOf } from '../service/notices.ts';
import { notifySocket } from '../service/notify-socket.ts';
import type { Settings } from '../settings.ts';
import { type PortalAddress, parseGroupedPortal, parsePortal } from '../shell/portal.ts';
import { defaultTargetName, iscsiName } from '../targets/names.ts';
import { parseSize } from '../units-of-size.ts';
import type { GlobalOptions } from './command.ts';
import { readConfigFile } from './config.ts';

interface ServeOptions extends GlobalOptions {
  readonly pool: string | undefined;
  readonly portal: readonly string[] | undefined;
  readonly advertise: readonly string[] | undefined;
  readonly isns: string | undefined;
  readonly metrics: string | undefined;
  readonly target: string | undefined;
  readonly init: string | undefined;
  readonly threshold: readonly number[] | undefined;
  readonly config: string | undefined;
  readonly cache: string | undefined;
  readonly 'log-format': LogFormat;
  readonly 'log-level': LogLevel;
}

export function serveCommand(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command(
    'serve',
    'run the server',
    (command) =>
      command
        .option('pool', { type: 'string', describe: 'pool directory, created when missing' })
        .option('portal', {
          type: 'string',
          array: true,
          describe: `HOST:PORT[,TAG] to listen on, in portal group TAG (default 1); repeatable (default: what was applied, else ${DEFAULT_PORTAL})`,
        })
        .option('advertise', {
          type: 'string',
          array: true,
          describe: 'HOST:PORT[,TAG] that SendTargets answers',
        })
        .option('config', { type: 'string', describe: 'configuration to apply before anybody is let in' })
        .option('isns', { type: 'string', describe: 'HOST[:PORT] of an iSNS server to register with' })
        .option('metrics', {
          type: 'string',
          describe: '[HOST:]PORT for health, readiness and metrics over HTTP (HOST: this machine only)',
        })
        .option('target', { type: 'string', describe: 'default target of a new pool' })
        .option('init', { type: 'string', describe: 'NAME:SIZE, LUN 0 of a new pool' })
        .option('threshold', {
          type: 'number',
          array: true,
          describe: 'percent of the space at which to warn; repeatable; 0: never (default: 80 and 90)',
        })
        .option('cache', {
          type: 'string',
          describe: 'memory for tables and bitmaps, from 16M; 352M unless told',
        })
        .option('log-format', {
          choices: LOG_FORMATS,
          default: 'text' as const,
          describe: 'form of the log; journal: with priorities, without times, for journald',
        })
        .option('log-level', {
          choices: LOG_LEVELS,
          default: 'info' as const,
          describe: 'least weighty events in the log',
        })
        .example(
          '$0 serve --pool /srv/snaplun --portal 0.0.0.0:3260 --init disk0:100G',
          'one LUN on a new pool',
        ),
    (argv) => serve(argv),
  );
}

async function serve(options: ServeOptions): Promise<void> {
  const pool = options.pool ?? defaultPool(process.env, process.getuid?.() === 0);
  const init = options.init === undefined ? undefined : parseInit(options.init);
  const settings = settingsOf(options);
  const thresholds = options.threshold === undefined ? undefined : thresholdsOf(options.threshold);
  const defaultTarget =
    options.target === undefined ? defaultTargetName(hostname()) : iscsiName(options.target, '--target');
  const bounds = options.cache === undefined ? {} : cacheBounds(parseCache(options.cache));
  const adminSocket = options.admin ?? defaultAdminSocket(process.env, pool);
  const config = options.config === undefined ? undefined : readConfigFile(options.config);
  const log = createLog({ format: options['log-format'], level: options['log-level'] });
  const medium = await openOrCreatePoolMedium(pool, DEFAULT_POOL_BYTES);
  const server = await SnaplunServer.start({
    medium,
    settings,
    adminSocket,
    defaultTarget,
    ...(options.metrics === undefined ? {} : { metrics: parseMetrics(options.metrics) }),
    ...(config === undefined ? {} : { config }),
    ...(init === undefined ? {} : { init }),
    bounds: { ...bounds, ...(thresholds === undefined ? {} : { thresholdPercents: thresholds }) },
    clock: systemClock,
    log,
  });
  const notices = serviceNotices(log);
  stopOnSignals(server, log, notices);
  const { targets, portals, lunCount } = server;
  const where = `${targets.server.defaultTarget} on ${portals.join(', ')}`;
  const serving = `serving ${where} (pool ${pool}, ${lunCount} LUNs)`;
  process.stdout.write(`snaplun: ${serving}\n`);
  notices.ready(serving);
}

function serviceNotices(log: Log): ServiceNotices {
  const { env, pid } = process;
  const onLost = (why: string): void =>
    log.warn('the service manager did not take a notice', { event: 'notice-lost', why });
  return new ServiceNotices({
    send: notifySocket(env['NOTIFY_SOCKET'], onLost),
    watchdogMs: watchdogOf(env, pid),
    clock: systemClock,
  });
}

/** HOST:PORT, or a port of this machine alone. */
function parseMetrics(text: string): PortalAddress {
  const alone = /^\d+$/.test(text);
  return parsePortal(alone ? `${MONITOR_HOST}:${text}` : text, METRICS_PORT);
}

/** What is said here goes before what is kept in the pool. */
function settingsOf({ portal, advertise, isns }: ServeOptions): Settings {
  for (const text of [...(portal ?? []), ...(advertise ?? [])]) parseGroupedPortal(text);
  if (isns !== undefined) parsePortal(isns, ISNS_PORT);
  return { portals: portal, advertise, isns };
}

/** A pool that had failed could not be flushed when the server stopped. */
const EXIT_POOL_FAILED = 1;

/** Whole percents; 0 stands for none. */
function thresholdsOf(percents: readonly number[]): readonly number[] {
  for (const percent of percents) {
    if (Number.isInteger(percent) && percent >= 0 && percent <= 100) continue;
    throw new OperatorError('usage', '--threshold wants whole percents, 1 to 100, or 0 for none');
  }
  return percents.filter((percent) => percent > 0);
}

function parseInit(text: string): { readonly name: string; readonly sizeBytes: number } {
  const colon = text.indexOf(':');
  if (colon <= 0) throw new OperatorError('usage', `--init "${text}": want NAME:SIZE, for example disk0:10G`);
  return { name: text.slice(0, colon), sizeBytes: parseSize(text.slice(colon + 1)) };
}

/** Below this a cache holds less than one checkpoint changes. */
const CACHE_BYTES_MIN = 16 * 1024 * 1024;

function parseCache(text: string): number {
  const bytes = parseSize(text);
  if (bytes < CACHE_BYTES_MIN) throw new OperatorError('usage', `--cache "${text}": want 16M or more`);
  return bytes;
}

function stopOnSignals(server: SnaplunServer, log: Log, notices: ServiceNotices): void {
  const stop = (why: string, code: number): void => {
    log.info('stopping', { event: 'stopping', why });
    notices.stopping();
    const failed = server.pool.state === 'failed';
    server
      .stop()
      .then(
        () => (failed ? EXIT_POOL_FAILED : code),
        (error: unknown) => {
          log.error('the pool did not close cleanly', { event: 'stop-failed', why: String(error) });
          return 1;
        },
      )
      .then(async (exitCode) => {
        await log.close();
        process.exit(exitCode);
      });
  };
  process.once('SIGTERM', () => stop('SIGTERM', 0));
  process.once('SIGINT', () => stop('SIGINT', 0));
  process.on('uncaughtException', (error) => {
    // State may be half changed: nothing more is acknowledged; recovery brings back what was promised.
    process.stderr.write(
      `snaplun: a fault of the program itself, stopping at once: ${error.stack ?? String(error)}\n`,
    );
    process.exit(70);
  });
}
