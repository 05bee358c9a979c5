/**
 * Everything between a socket and the pool: the targets with their SCSI side, the sessions on them, and a
 * core for each connection that a portal accepts. It knows no listening sockets and no admin socket, so
 * that a test can run all of it over streams in memory.
 */
import type { Socket } from 'node:net';
import { createConnection } from '../protocol/iscsi/connection.ts';
import type { TargetAddress, TargetDirectory } from '../protocol/iscsi/directory.ts';
import type { Fact } from '../protocol/iscsi/effects.ts';
import { DEFAULT_LIMITS, type Limits } from '../protocol/iscsi/limits.ts';
import { LoginGuard } from '../protocol/iscsi/login-guard.ts';
import { SessionRegistry } from '../protocol/iscsi/session-registry.ts';
import { DeviceServers } from '../protocol/scsi/device-server.ts';
import { ScsiTarget } from '../protocol/scsi/target.ts';
import { DEFAULT_PORTAL_GROUP_TAG } from '../protocol/scsi/target-port.ts';
import type { Pool } from '../snapshot/pool.ts';
import { crc32c } from './checksums.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { isPeersFault, logFact } from './log-facts.ts';
import { ConnectionEvents } from './monitor/events.ts';
import { PRODUCT } from './product.ts';
import { Connection } from './shell/connection.ts';
import { Hub } from './shell/hub.ts';
import { addressText } from './shell/portal.ts';
import type { Receiver } from './shell/receiver.ts';
import { Throttle } from './shell/throttle.ts';
import { targetDirectory } from './targets/directory.ts';
import { Targets } from './targets/targets.ts';
import type { TargetUnits } from './targets/unit-map.ts';

export interface FrontOptions {
  readonly pool: Pool;
  /** What SendTargets answers instead of where sockets are accepted. */
  readonly advertise?: () => readonly TargetAddress[];
  /** Where sockets are accepted. None where there are no listening sockets. */
  readonly portals?: () => readonly TargetAddress[];
  /** The portal groups that there are; the default one unless stated. */
  readonly portalGroupTags?: () => readonly number[];
  /** Name of the default target of a new pool. */
  readonly defaultTarget: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Cryptographically strong random bytes. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** Overrides of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
}

/** How a socket came. */
export interface Arrival {
  readonly receiver?: Receiver | undefined;
  /** Of its portal; the default one unless stated. */
  readonly portalGroupTag?: number;
}

/** Lines in a minute about connections that were closed at once. */
const REFUSALS_LOGGED_MAX = 1;
/** Lines in a minute about one kind of event at one address. */
const FACTS_LOGGED_MAX = 30;

export class Front {
  readonly hub: Hub;
  readonly targets: Targets;
  readonly servers: DeviceServers;
  readonly events: ConnectionEvents;
  readonly guard = new LoginGuard();
  readonly #options: FrontOptions;
  readonly #limits: Limits;
  readonly #registry: SessionRegistry;
  readonly #directory: TargetDirectory;
  readonly #sockets = new Set<Socket>();
  /** Connections by the address they come from, without its port. */
  readonly #bySource = new Map<string, Set<Connection>>();
  readonly #refusals = new Throttle(REFUSALS_LOGGED_MAX);
  #accepting = true;

  private constructor(options: FrontOptions, parts: Pick<Front, 'hub' | 'targets' | 'servers' | 'events'>) {
    const { targets } = parts;
    this.#options = options;
    this.hub = parts.hub;
    this.targets = targets;
    this.servers = parts.servers;
    this.events = parts.events;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#registry = new SessionRegistry(this.#limits);
    this.#directory = targetDirectory({
      targets,
      advertise: options.advertise ?? (() => []),
      portals: options.portals ?? (() => []),
      accepting: () => this.#accepting && options.pool.state === 'serving',
    });
  }

  /** Opens the targets of the pool; a new pool gets its default target. */
  static async open(options: FrontOptions): Promise<Front> {
    const { pool, clock, log } = options;
    const events = new ConnectionEvents();
    const logged = logConnectionFacts(options);
    const hub: Hub = new Hub({
      clock,
      target: (name) => targets.find(name),
      onFact: (connection, fact) => {
        events.count(fact);
        logged(connection, fact);
      },
    });
    const servers = new DeviceServers({
      randomBytes: options.randomBytes,
      nowMs: () => clock.nowMs(),
      after: (ms, run) => clock.after(ms, run),
    });
    const targets: Targets = await Targets.open(
      {
        pool,
        makeScsiTarget: (name, units) =>
          makeScsiTarget({ name, units, hub, servers, clock, log, portalGroupTags: options.portalGroupTags }),
        seen: (name) => hub.sessionsOf(name).length > 0,
      },
      options.defaultTarget,
    );
    return new Front(options, { hub, targets, servers, events });
  }

  /** Sockets that are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Serves a socket that was accepted, by what its receiver reads of it where it has one. */
  accept(socket: Socket, { receiver, portalGroupTag = DEFAULT_PORTAL_GROUP_TAG }: Arrival = {}): void {
    const { clock, randomBytes } = this.#options;
    const localAddress = addressText(socket.localAddress, socket.localPort);
    const remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
    const source = socket.remoteAddress ?? '';
    if (this.#isFlooding(source)) {
      this.refused(remoteAddress, 'too many connections from there have not logged in');
      socket.destroy();
      return;
    }
    const core = createConnection({
      ...{ directory: this.#directory, registry: this.#registry, limits: this.#limits },
      guard: this.guard,
      ...{ randomBytes, crc32c, localAddress, remoteAddress, portalGroupTag, buffers: this.hub.buffers },
      nowMs: clock.nowMs(),
    });
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const connection = new Connection({ socket, receiver, core, host: this.hub, clock, remoteAddress });
    this.hub.add(connection);
    this.#count(source, connection, socket);
  }

  /** A connection was closed as soon as it came: said a few times in a minute, whoever floods. */
  refused(remoteAddress: string, why: string): void {
    const { log, clock } = this.#options;
    this.events.refused += 1;
    const admitted = this.#refusals.admit(why, clock.nowMs());
    if (admitted === undefined) return;
    const { suppressed } = admitted;
    const fields = { event: 'connection-refused', peer: remoteAddress, suppressed };
    log.warn(`a connection was refused: ${why}`, fields);
  }

  #isFlooding(source: string): boolean {
    const connections = this.#bySource.get(source);
    const { loginsPerSourceMax } = this.#limits;
    if (connections === undefined || connections.size < loginsPerSourceMax) return false;
    let pending = 0;
    for (const { session } of connections) if (session === undefined) pending += 1;
    return pending >= loginsPerSourceMax;
  }

  #count(source: string, connection: Connection, socket: Socket): void {
    const connections = this.#bySource.get(source) ?? new Set();
    this.#bySource.set(source, connections.add(connection));
    socket.once('close', () => {
      connections.delete(connection);
      if (connections.size === 0) this.#bySource.delete(source);
    });
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
  readonly portalGroupTags: (() => readonly number[]) | undefined;
}): ScsiTarget {
  const { name, units, hub, servers, clock, log, portalGroupTags } = shared;
  const scsi = new ScsiTarget({
    ...{ name, units, servers },
    ...(portalGroupTags && { portalGroupTags }),
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

/** What peers do wrong is said so often in a minute and for an address; everything else always. */
function logConnectionFacts({ clock, log }: FrontOptions): (connection: Connection, fact: Fact) => void {
  const throttle = new Throttle(FACTS_LOGGED_MAX);
  return ({ remoteAddress, session }, fact) => {
    const who = { peer: remoteAddress, initiator: session?.initiatorName };
    if (!isPeersFault(fact)) {
      logFact(log, who, fact);
      return;
    }
    const admitted = throttle.admit(`${fact.kind} ${remoteAddress.replace(/:\d+$/, '')}`, clock.nowMs());
    if (admitted === undefined) return;
    const { suppressed } = admitted;
    logFact(log, suppressed === 0 ? who : { ...who, suppressed }, fact);
  };
}
