/**
 * The server, put together: a medium, the pool on it, a SCSI target for each iSCSI target, portals in
 * front, the admin socket beside. It opens from the inside out, so that whoever reaches a portal finds
 * everything ready, and stops from the outside in, so that nothing acknowledged is left unflushed.
 */
import { randomBytes } from 'node:crypto';
import type { Medium } from '../snapshot/medium/medium.ts';
import { Pool } from '../snapshot/pool.ts';
import type { PoolFact, PoolOptions } from '../snapshot/pool-types.ts';
import { RunningExports } from './admin/exports.ts';
import { AdminServer } from './admin/server.ts';
import type { AdminContext } from './admin/verb.ts';
import { ADMIN_STREAM_VERBS, ADMIN_VERBS } from './admin/verbs.ts';
import { ChangeQueue } from './change-queue.ts';
import { blockChecksum } from './checksums.ts';
import type { Clock } from './clock.ts';
import { type ApplyRequest, applyConfiguration } from './config/apply.ts';
import { Doors } from './doors.ts';
import { Front } from './front.ts';
import { describeEntity } from './isns/entity.ts';
import type { Log } from './log.ts';
import { logPoolFact } from './log-facts.ts';
import { PoolEvents } from './monitor/events.ts';
import { Monitor } from './monitor/monitor.ts';
import { Schedules } from './schedules/schedules.ts';
import { asSettings, SETTINGS_DOCUMENT, type Settings } from './settings.ts';
import type { Hub } from './shell/hub.ts';
import { isLoopback, Portal, type PortalAddress, type Welcome } from './shell/portal.ts';
import { warnOfOpenTargets } from './targets/open-targets.ts';
import type { Targets } from './targets/targets.ts';

export interface ServerOptions {
  readonly medium: Medium;
  /** What the command line says of the doors, before what the pool keeps. */
  readonly settings?: Settings;
  readonly adminSocket: string;
  /** Where health, readiness and metrics are told over HTTP; nowhere unless stated. */
  readonly metrics?: PortalAddress;
  /** Name of the default target of a new pool. */
  readonly defaultTarget: string;
  /** A configuration that is applied before anybody is let in. */
  readonly config?: ApplyRequest;
  /** The LUN that a new pool begins with. */
  readonly init?: { readonly name: string; readonly sizeBytes: number };
  /** Of stored blocks, pages and records; that of checksums.ts unless told. */
  readonly checksum?: (bytes: Uint8Array) => number;
  /** Bounds of the pool; its defaults where nothing is said. */
  readonly bounds?: Partial<PoolOptions>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Initiators get this long to log out by themselves when the server stops. */
const LOGOUT_WITHIN_MS = 3_000;
/** After this long, connections that are still there are cut. */
const STOP_WITHIN_MS = 5_000;

export class SnaplunServer {
  readonly pool: Pool;
  readonly #front: Front;
  readonly #changes = new ChangeQueue();
  readonly #exports = new RunningExports();
  readonly #schedules: Schedules;
  readonly #options: ServerOptions;
  readonly #doors: Doors;
  readonly #monitor: Monitor | undefined;
  readonly #context: AdminContext;
  #admin: AdminServer | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(options: ServerOptions, { pool, front, doors, monitor }: Parts) {
    this.#options = options;
    this.#doors = doors;
    this.#monitor = monitor;
    this.pool = pool;
    this.#front = front;
    this.#schedules = new Schedules({
      pool,
      clock: options.clock,
      log: options.log,
      changes: this.#changes,
      inUse: ({ vlun, snapshot }) =>
        front.targets.mappings({ vlun, snapshot }).length > 0 || this.#exports.has(vlun, snapshot),
    });
    this.#context = {
      ...{ pool, targets: front.targets, hub: front.hub, servers: front.servers, doors },
      ...{ schedules: this.#schedules, exports: this.#exports, changes: this.#changes, log: options.log },
      portals: () => doors.addresses,
      startedAtMs: options.clock.wallMs(),
      wallMs: () => options.clock.wallMs(),
      nowMs: () => options.clock.nowMs(),
      poolDescription: options.medium.description,
      metricsAddress: monitor?.address,
    };
  }

  static async start(options: ServerOptions): Promise<SnaplunServer> {
    const monitor = await openMonitor(options);
    const poolEvents = new PoolEvents();
    const pool = await openPool(options, poolEvents).catch(async (error: unknown) => {
      await monitor?.close();
      throw error;
    });
    const { defaultTarget, clock, log } = options;
    const addresses = {
      portals: () => doors.portals,
      advertise: () => doors.advertise,
      portalGroupTags: () => doors.portalGroupTags,
    };
    const front = await Front.open({ pool, ...addresses, defaultTarget, clock, log, randomBytes });
    const doors = makeDoors(options, front);
    const server = new SnaplunServer(options, { pool, front, doors, monitor });
    try {
      await server.#makeFirstLun();
      await server.#declare();
      await server.#open();
      server.#schedules.start();
      monitor?.serving({ pool, poolEvents, front });
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get targets(): Targets {
    return this.#front.targets;
  }

  get hub(): Hub {
    return this.#front.hub;
  }

  /** Where the portals listen: HOST:PORT each. */
  get portals(): readonly string[] {
    return this.#doors.addresses;
  }

  /** Where health, readiness and metrics are told: HOST:PORT. */
  get metricsAddress(): string | undefined {
    return this.#monitor?.address;
  }

  get lunCount(): number {
    return this.targets.list().reduce((sum, target) => sum + target.units.numbers().length, 0);
  }

  /** Stops once, whoever asks how often. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #makeFirstLun(): Promise<void> {
    const init = this.#options.init;
    if (init === undefined || this.pool.list().length > 0 || this.#wasUsed()) return;
    const plan = this.targets.planMap({ vlun: init.name }, {});
    await this.pool.createVlun({
      name: init.name,
      sizeBytes: init.sizeBytes,
      blockBytes: 512,
      documents: plan.documents,
    });
    this.targets.refresh();
  }

  /** A pool whose LUNs were all deleted is not new: its target has retired numbers. */
  #wasUsed(): boolean {
    return this.targets.list().some((target) => this.targets.document(target.name).retiredLuns.length > 0);
  }

  /** What a configuration file declares stands before anybody is let in. */
  async #declare(): Promise<void> {
    const { config } = this.#options;
    if (config === undefined) return;
    const { changes } = await applyConfiguration(this.#context, config);
    this.#options.log.info('configuration applied', {
      event: 'config-applied',
      file: config.file,
      changes: changes.length,
    });
  }

  async #open(): Promise<void> {
    const { adminSocket, bounds } = this.#options;
    const settings = asSettings(this.pool.documents.get(SETTINGS_DOCUMENT));
    if (bounds?.thresholdPercents === undefined && settings.thresholdPercents !== undefined) {
      this.pool.setThresholds(settings.thresholdPercents);
    }
    const verbs = { plain: ADMIN_VERBS, streams: ADMIN_STREAM_VERBS };
    this.#admin = await AdminServer.open(adminSocket, this.#context, verbs);
    await this.#doors.open(settings);
    const { log } = this.#options;
    warnOfOpenTargets({ targets: this.targets, portals: this.portals, log });
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#options;
    this.#monitor?.stopping();
    const forgotten = this.#doors.close();
    const front = this.#front;
    front.askLogouts(LOGOUT_WITHIN_MS);
    const deadlineMs = clock.nowMs() + STOP_WITHIN_MS;
    while (front.connections > 0 && clock.nowMs() < deadlineMs) await pause(clock, 20);
    if (front.connections > 0)
      log.warn('cut connections that did not log out', { connections: front.connections });
    front.cut();
    // Whoever waits for a scrub has its admin connection open until then.
    this.pool.stopScrub();
    await forgotten;
    await this.#admin?.close();
    await this.#schedules.stop();
    await this.pool.close();
    await this.#monitor?.close();
  }
}

interface Parts {
  readonly pool: Pool;
  readonly front: Front;
  readonly doors: Doors;
  readonly monitor: Monitor | undefined;
}

async function openMonitor({ metrics, clock, log }: ServerOptions): Promise<Monitor | undefined> {
  if (metrics === undefined) return undefined;
  const monitor = await Monitor.open(metrics, clock);
  const { address } = monitor;
  log.info('health, readiness and metrics', { event: 'metrics', address });
  if (!isLoopback(address)) {
    log.warn('metrics are told to whoever asks, beyond this machine', { event: 'metrics-open', address });
  }
  return monitor;
}

function makeDoors({ settings = {}, bounds, clock, log }: ServerOptions, front: Front): Doors {
  const welcome: Welcome = {
    accept: (socket, receiver, portalGroupTag) => front.accept(socket, { receiver, portalGroupTag }),
    onFull: (peer) => front.refused(peer, 'the portal has as many as it takes'),
    buffers: front.hub.buffers,
  };
  const doors: Doors = new Doors({
    fixed: { ...settings, thresholdPercents: bounds?.thresholdPercents },
    open: (where, portalGroupTag) => Portal.open(where, welcome, portalGroupTag),
    entity: () =>
      describeEntity({ targets: front.targets, portals: doors.portals, advertise: doors.advertise }),
    onChange: () => front.targets.reviewPorts(),
    clock,
    log,
  });
  return doors;
}

async function openPool(options: ServerOptions, events: PoolEvents): Promise<Pool> {
  const { medium, bounds, clock, log, checksum = blockChecksum } = options;
  const environment = {
    nowMs: () => clock.wallMs(),
    defer: (run: () => void) => clock.defer(run),
    after: (ms: number, run: () => void) => clock.after(ms, run),
    checksum,
    randomBytes: (count: number): Uint8Array => randomBytes(count),
    onFact: (fact: PoolFact) => {
      events.count(fact);
      logPoolFact(log, fact);
    },
  };
  try {
    const isEmpty = await Pool.isEmpty(medium, environment);
    return isEmpty
      ? await Pool.create(medium, environment, bounds)
      : await Pool.open(medium, environment, bounds);
  } catch (error) {
    await medium.close();
    throw error;
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
