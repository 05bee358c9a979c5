/**
 * The whole target in this process: a pool on a medium in memory, the targets on it, sessions and cores
 * as the server has them, over streams in memory and with a clock that only the test moves. Nothing is
 * left out but listening sockets, the admin socket and the log's form.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Limits } from '../../protocol/iscsi/limits.ts';
import type { Medium, Place, PlacedWrite } from '../../snapshot/medium/medium.ts';
import type { CreateVlunRequest } from '../../snapshot/pool-types.ts';
import type { Clock } from '../../src/clock.ts';
import { Front } from '../../src/front.ts';
import type { Log, LogFields } from '../../src/log.ts';
import type { Transport } from './initiator/index.ts';
import { overriding } from './overriding.ts';
import { newPool, type PoolWorld, settle } from './pool-world.ts';
import { type Random, seededRandom } from './random.ts';

export interface LoggedLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields: LogFields;
}

export interface WholeTargetOptions {
  readonly capacityBlocks?: number;
  readonly limits?: Partial<Limits>;
  readonly defaultTarget: string;
  readonly seed?: number;
}

/** Both ends of a connection in memory: a socket for the target, a transport for the initiator. */
class MemorySocket extends EventEmitter {
  readonly localAddress = '192.0.2.1';
  readonly localPort = 3260;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly writableLength = 0;
  writable = true;
  #toPeer: (chunk: Uint8Array) => void = () => undefined;
  #peerClosed: () => void = () => undefined;

  constructor(address: string, port: number) {
    super();
    this.remoteAddress = address;
    this.remotePort = port;
  }

  /** How often the target wanted to read no more for now. */
  pauses = 0;
  // Nothing is ever delayed, gathered or held back here.
  readonly setNoDelay = (): void => undefined;
  readonly cork = (): void => undefined;
  readonly uncork = (): void => undefined;
  readonly pause = (): void => {
    this.pauses += 1;
  };
  readonly resume = (): void => undefined;

  /** What the target writes. It may change its buffers afterwards, as with a real socket. */
  write(piece: Uint8Array): boolean {
    if (this.writable) this.#toPeer(Uint8Array.from(piece));
    return true;
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (!this.writable) return;
    this.writable = false;
    queueMicrotask(() => {
      this.emit('close');
      this.#peerClosed();
    });
  }

  transport(): Transport {
    return {
      write: (pieces) => {
        for (const piece of pieces) if (this.writable) this.emit('data', Buffer.from(piece));
      },
      onBytes: (listener) => {
        this.#toPeer = listener;
      },
      onClose: (listener) => {
        this.#peerClosed = listener;
      },
      close: () => this.destroy(),
    };
  }
}

/** Timers that say how many of them have neither come due nor been called off. */
class CountedTimers {
  pending = 0;

  after(environment: PoolWorld['environment'], ms: number, run: () => void): () => void {
    this.pending += 1;
    let counts = true;
    const settle = (): void => {
      if (counts) this.pending -= 1;
      counts = false;
    };
    const cancel = environment.after(ms, () => {
      settle();
      run();
    });
    return () => {
      settle();
      cancel();
    };
  }
}

export class WholeTarget {
  readonly lines: LoggedLine[];
  readonly world: PoolWorld;
  readonly front: Front;
  /** Those of connections. */
  readonly timers: CountedTimers;
  #lastPort = 50_000;

  private constructor(parts: Pick<WholeTarget, 'world' | 'front' | 'lines' | 'timers'>) {
    this.world = parts.world;
    this.front = parts.front;
    this.lines = parts.lines;
    this.timers = parts.timers;
  }

  static async open(options: WholeTargetOptions): Promise<WholeTarget> {
    const { capacityBlocks = 1 << 16, limits = {}, defaultTarget, seed = 1 } = options;
    const random = seededRandom(seed);
    const world = await newPool({ capacityBlocks, wrap: (medium) => unhurried(medium, random) });
    const { environment } = world;
    const lines: LoggedLine[] = [];
    const timers = new CountedTimers();
    const clock: Clock = {
      nowMs: () => environment.nowMs(),
      wallMs: () => environment.nowMs(),
      after: (ms, run) => timers.after(environment, ms, run),
      defer: queueMicrotask,
    };
    const front = await Front.open({
      ...{ pool: world.pool, defaultTarget, clock, limits, log: logInto(lines) },
      randomBytes: (count) => random.bytes(count),
    });
    return new WholeTarget({ world, front, lines, timers });
  }

  /** A VLUN, mapped at the next number of a target. */
  async createLun(request: CreateVlunRequest, target?: string): Promise<void> {
    const plan = this.front.targets.planMap({ vlun: request.name }, { target });
    await this.world.pool.createVlun({ ...request, documents: plan.documents });
    this.front.targets.refresh();
  }

  connect(address = '192.0.2.9'): Transport & { readonly pauses: () => number } {
    this.#lastPort += 1;
    const socket = new MemorySocket(address, this.#lastPort);
    const transport = socket.transport();
    this.front.accept(socket as unknown as Socket);
    return { ...transport, pauses: () => socket.pauses };
  }

  /** Moves the clock, running what comes due. */
  advance(ms: number): Promise<void> {
    return this.world.environment.advance(ms);
  }

  /** Waits a bounded number of turns of the loop; false when the promise is still open then. */
  async within<T>(turns: number, promise: Promise<T>): Promise<T | undefined> {
    let answer: T | undefined;
    let failure: { readonly error: unknown } | undefined;
    let open = true;
    promise.then(
      (value) => {
        answer = value;
        open = false;
      },
      (error: unknown) => {
        failure = { error };
        open = false;
      },
    );
    for (let turn = 0; open && turn < turns; turn += 1) await settle(1);
    if (failure !== undefined) throw failure.error;
    return answer;
  }
}

/** Data takes some turns of the loop to be read and written, now and then many, as on a disk. */
function unhurried(medium: Medium, random: Random): Medium {
  const delay = (): Promise<void> => settle(random.chance(0.02) ? 60 : random.below(4));
  const { data } = medium;
  const slow = overriding(data, {
    async read(place: Place, into: Uint8Array): Promise<void> {
      await delay();
      await data.read(place, into);
    },
    async write(writes: readonly PlacedWrite[]): Promise<void> {
      await delay();
      await data.write(writes);
    },
  });
  return overriding(medium, { data: slow });
}

function logInto(lines: LoggedLine[]): Log {
  const at =
    (level: LoggedLine['level']) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields });
    };
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    close: async () => undefined,
  };
}
