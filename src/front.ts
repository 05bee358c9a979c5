/**
 * Everything between a socket and the pool: the targets with their SCSI side, the sessions on them, and a
 * core for each connection that a portal accepts. It knows no listening sockets and no admin socket, so
 * that a test can run all of it over streams in memory.
 */
import type { Socket } from 'node:net';
import { createConnection } from '../protocol/iscsi/connection.ts';
import type { TargetDirectory } from '../protocol/iscsi/directory.ts';
import type { Fact } from '../protocol/iscsi/effects.ts';
import { DEFAULT_LIMITS, type Limits } from '../protocol/iscsi/limits.ts';
import { SessionRegistry } from '../protocol/iscsi/session-registry.ts';
import { DeviceServers } from '../protocol/scsi/device-server.ts';
import { ScsiTarget } from '../protocol/scsi/target.ts';
import type { Pool } from '../snapshot/pool.ts';
import { crc32c } from './checksums.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { logFact } from './log-facts.ts';
import { PRODUCT } from './product.ts';
import { Connection } from './shell/connection.ts';
import { Hub } from './shell/hub.ts';
import { addressText } from './shell/portal.ts';
import type { Receiver } from './shell/receiver.ts';
import { PORTAL_GROUP_TAG, targetDirectory } from './targets/directory.ts';
import { Targets } from './targets/targets.ts';
import type { TargetUnits } from './targets/unit-map.ts';

export interface FrontOptions {
  readonly pool: Pool;
  readonly advertise: readonly string[];
  /** Name of the default target of a new pool. */
  readonly defaultTarget: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Cryptographically strong random bytes. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** Overrides of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
}

export class Front {
  readonly hub: Hub;
  readonly targets: Targets;
  readonly #options: FrontOptions;
  readonly #limits: Limits;
  readonly #registry: SessionRegistry;
  readonly #directory: TargetDirectory;
  readonly #sockets = new Set<Socket>();
  #accepting = true;

  private constructor(options: FrontOptions, hub: Hub, targets: Targets) {
    this.#options = options;
    this.hub = hub;
    this.targets = targets;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#registry = new SessionRegistry(this.#limits);
    this.#directory = targetDirectory({
      targets,
      advertise: options.advertise,
      accepting: () => this.#accepting && options.pool.state === 'serving',
    });
  }

  /** Opens the targets of the pool; a new pool gets its default target. */
  static async open(options: FrontOptions): Promise<Front> {
    const { pool, clock, log } = options;
    const hub: Hub = new Hub({
      clock,
      target: (name) => targets.find(name),
      onFact: (connection, fact) => logConnectionFact(log, connection, fact),
    });
    const servers = new DeviceServers();
    const targets: Targets = await Targets.open(
      {
        pool,
        makeScsiTarget: (name, units) => makeScsiTarget({ name, units, hub, servers, clock, log }),
        seen: (name) => hub.sessionsOf(name).length > 0,
      },
      options.defaultTarget,
    );
    return new Front(options, hub, targets);
  }

  /** Sockets that are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Serves a socket that was accepted, by what its receiver reads of it where it has one. */
  accept(socket: Socket, receiver?: Receiver): void {
    const { clock, randomBytes } = this.#options;
    const localAddress = addressText(socket.localAddress, socket.localPort);
    const remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
    const core = createConnection({
      ...{ directory: this.#directory, registry: this.#registry, limits: this.#limits },
      ...{ randomBytes, crc32c, localAddress, remoteAddress, buffers: this.hub.buffers },
      nowMs: clock.nowMs(),
    });
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.hub.add(new Connection({ socket, receiver, core, host: this.hub, clock, remoteAddress }));
  }

  /** Lets nobody log in any more and asks those who have for a logout within this time. */
  askLogouts(withinMs: number): void {
    this.#accepting = false;
    for (const connection of this.hub.connections()) connection.feed({ type: 'askLogout', withinMs });
  }

  /** Cuts what is still connected. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function makeScsiTarget(shared: {
  readonly name: string;
  readonly units: TargetUnits;
  readonly hub: Hub;
  readonly servers: DeviceServers;
  readonly clock: Clock;
  readonly log: Log;
}): ScsiTarget {
  const { name, units, hub, servers, clock, log } = shared;
  const scsi = new ScsiTarget({
    units,
    servers,
    portName: `${name},t,0x${PORTAL_GROUP_TAG.toString(16).padStart(4, '0')}`,
    portGroupTag: PORTAL_GROUP_TAG,
    product: PRODUCT,
    allocate: (bytes) => hub.buffers.allocate(bytes),
    nowMs: () => clock.wallMs(),
    abortTasks: (request) => hub.abortTasks(name, request),
    onFault: (error) => {
      const stack = error instanceof Error ? error.stack : String(error);
      log.error('a SCSI command failed inside', { event: 'internal-error', target: name, stack });
    },
  });
  scsi.onAsyncEvent((event) => hub.announce(name, event));
  return scsi;
}

function logConnectionFact(log: Log, connection: Connection, fact: Fact): void {
  logFact(log, { peer: connection.remoteAddress, initiator: connection.session?.initiatorName }, fact);
}
