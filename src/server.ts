/**
 * The server, put together: a medium, the pool on it, a SCSI target for each iSCSI target, portals in
 * front, the admin socket beside. It opens from the inside out, so that whoever reaches a portal finds
 * everything ready, and stops from the outside in, so that nothing acknowledged is left unflushed.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { encodeLun } from 'node-iscsi-pdu';
import { createConnection } from '../protocol/iscsi/connection.ts';
import type { Fact } from '../protocol/iscsi/effects.ts';
import { DEFAULT_LIMITS } from '../protocol/iscsi/limits.ts';
import { SessionRegistry } from '../protocol/iscsi/session-registry.ts';
import { DeviceServers } from '../protocol/scsi/device-server.ts';
import { ScsiTarget } from '../protocol/scsi/target.ts';
import type { Medium } from '../snapshot/medium/medium.ts';
import { Pool } from '../snapshot/pool.ts';
import type { PoolFact } from '../snapshot/pool-types.ts';
import { AdminServer } from './admin/server.ts';
import { ADMIN_STREAM_VERBS, ADMIN_VERBS } from './admin/verbs.ts';
import { blockChecksum, crc32c } from './checksums.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { logFact, logPoolFact } from './log-facts.ts';
import { PRODUCT } from './product.ts';
import { Connection } from './shell/connection.ts';
import { Hub } from './shell/hub.ts';
import { addressText, Portal, type PortalAddress } from './shell/portal.ts';
import { PORTAL_GROUP_TAG, targetDirectory } from './targets/directory.ts';
import { Targets } from './targets/targets.ts';
import type { TargetUnits } from './targets/unit-map.ts';

export interface ServerOptions {
  readonly medium: Medium;
  readonly portals: readonly PortalAddress[];
  readonly advertise: readonly string[];
  readonly adminSocket: string;
  /** Name of the default target of a new pool. */
  readonly defaultTarget: string;
  /** The LUN that a new pool begins with. */
  readonly init?: { readonly name: string; readonly sizeBytes: number };
  readonly clock: Clock;
  readonly log: Log;
}

/** Initiators get this long to log out by themselves when the server stops. */
const LOGOUT_WITHIN_MS = 3_000;
/** After this long, connections that are still there are cut. */
const STOP_WITHIN_MS = 5_000;

export class SnaplunServer {
  readonly pool: Pool;
  readonly targets: Targets;
  readonly hub: Hub;
  readonly #options: ServerOptions;
  readonly #portals: Portal[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #startedAtMs: number;
  #admin: AdminServer | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(options: ServerOptions, pool: Pool, targets: Targets, hub: Hub) {
    this.#options = options;
    this.pool = pool;
    this.targets = targets;
    this.hub = hub;
    this.#startedAtMs = options.clock.wallMs();
  }

  static async start(options: ServerOptions): Promise<SnaplunServer> {
    const pool = await openPool(options);
    const hub: Hub = new Hub({
      clock: options.clock,
      target: (name) => targets.find(name),
      onFact: (connection, fact) => logConnectionFact(options.log, connection, fact),
    });
    const servers = new DeviceServers();
    const targets: Targets = await Targets.open(
      {
        pool,
        makeScsiTarget: (name, units) => makeScsiTarget({ name, units, hub, servers, log: options.log }),
        seen: (name) => hub.sessionsOf(name).length > 0,
      },
      options.defaultTarget,
    );
    const server = new SnaplunServer(options, pool, targets, hub);
    try {
      await server.#makeFirstLun();
      await server.#openDoors();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Where the portals listen: HOST:PORT each. */
  get portals(): readonly string[] {
    return this.#portals.map((portal) => portal.address);
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

  async #openDoors(): Promise<void> {
    const options = this.#options;
    this.#admin = await AdminServer.open(
      options.adminSocket,
      {
        pool: this.pool,
        targets: this.targets,
        hub: this.hub,
        log: options.log,
        portals: () => this.portals,
        startedAtMs: this.#startedAtMs,
        wallMs: () => options.clock.wallMs(),
        nowMs: () => options.clock.nowMs(),
        poolDescription: options.medium.description,
      },
      { plain: ADMIN_VERBS, streams: ADMIN_STREAM_VERBS },
    );
    const registry = new SessionRegistry(DEFAULT_LIMITS);
    const directory = targetDirectory({
      targets: this.targets,
      advertise: options.advertise,
      accepting: () => this.#stopping === undefined && this.pool.state === 'serving',
    });
    const accept = (socket: Socket): void => {
      const localAddress = addressText(socket.localAddress, socket.localPort);
      const remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
      const core = createConnection({
        directory,
        registry,
        randomBytes,
        crc32c,
        localAddress,
        remoteAddress,
        nowMs: options.clock.nowMs(),
      });
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.hub.add(new Connection({ socket, core, host: this.hub, clock: options.clock, remoteAddress }));
    };
    for (const where of options.portals) this.#portals.push(await Portal.open(where, accept));
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#options;
    for (const portal of this.#portals) portal.close();
    for (const connection of this.hub.connections()) {
      connection.feed({ type: 'askLogout', withinMs: LOGOUT_WITHIN_MS });
    }
    const deadlineMs = clock.nowMs() + STOP_WITHIN_MS;
    while (this.#sockets.size > 0 && clock.nowMs() < deadlineMs) await pause(clock, 20);
    if (this.#sockets.size > 0)
      log.warn('cut connections that did not log out', { connections: this.#sockets.size });
    for (const socket of this.#sockets) socket.destroy();
    await this.#admin?.close();
    await this.pool.close();
  }
}

async function openPool(options: ServerOptions): Promise<Pool> {
  const { medium, clock, log } = options;
  const environment = {
    nowMs: () => clock.wallMs(),
    defer: (run: () => void) => clock.defer(run),
    after: (ms: number, run: () => void) => clock.after(ms, run),
    checksum: blockChecksum,
    randomBytes: (count: number): Uint8Array => randomBytes(count),
    onFact: (fact: PoolFact) => logPoolFact(log, fact),
  };
  try {
    const isEmpty = await Pool.isEmpty(medium, environment);
    return isEmpty ? await Pool.create(medium, environment) : await Pool.open(medium, environment);
  } catch (error) {
    await medium.close();
    throw error;
  }
}

function makeScsiTarget(shared: {
  readonly name: string;
  readonly units: TargetUnits;
  readonly hub: Hub;
  readonly servers: DeviceServers;
  readonly log: Log;
}): ScsiTarget {
  const { name, units, hub, servers, log } = shared;
  const scsi = new ScsiTarget({
    units,
    servers,
    portName: `${name},t,0x${PORTAL_GROUP_TAG.toString(16).padStart(4, '0')}`,
    portGroupTag: PORTAL_GROUP_TAG,
    product: PRODUCT,
    allocate: (bytes) => hub.buffers.allocate(bytes),
    abortTasks: (request) => hub.abortTasks(name, request),
    onFault: (error) => {
      const stack = error instanceof Error ? error.stack : String(error);
      log.error('a SCSI command failed inside', { event: 'internal-error', target: name, stack });
    },
  });
  scsi.onAsyncEvent(({ sense, lun }) => hub.announce(name, { sense, lun: encodeLun(lun) }));
  return scsi;
}

function logConnectionFact(log: Log, connection: Connection, fact: Fact): void {
  logFact(log, { peer: connection.remoteAddress, initiator: connection.session?.initiatorName }, fact);
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
