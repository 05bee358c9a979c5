/**
 * A target core in memory with a virtual clock, for tests without sockets: it carries out the effects
 * as the shell does, over a stand-in for SCSI that the test scripts. Everything runs inside the call
 * that caused it; nothing waits for an event loop.
 */
import { type BufferSource, CountedMemory } from 'node-iscsi-pdu';
import { createConnection } from '../../../protocol/iscsi/connection.ts';
import type { TargetDirectory } from '../../../protocol/iscsi/directory.ts';
import type {
  ConnectionCore,
  ConnectionEvent,
  Effect,
  Fact,
  ScsiTask,
  SessionFacts,
  TaskResult,
} from '../../../protocol/iscsi/effects.ts';
import { DEFAULT_LIMITS, type Limits, type Preferences } from '../../../protocol/iscsi/limits.ts';
import { SessionRegistry } from '../../../protocol/iscsi/session-registry.ts';
import { seededRandom } from '../random.ts';
import type { Transport } from './transport.ts';

/** A task in the hands of the script. */
export interface ScriptedTask extends ScsiTask {
  /** Ends it; once. */
  readonly finish: (result: TaskResult) => void;
}

export interface MemoryTargetOptions {
  readonly directory: TargetDirectory;
  readonly limits?: Partial<Limits>;
  readonly preferences?: Partial<Preferences>;
  /** A result at once, or undefined: the script finishes the task later. */
  readonly run?: (task: ScriptedTask) => TaskResult | undefined;
  /** Whether a task that was handed over can still be cancelled; default never. */
  readonly cancel?: (task: ScriptedTask) => boolean;
  /** Cuts what the initiator sends before the core gets it. */
  readonly cut?: (chunk: Uint8Array) => readonly Uint8Array[];
  readonly seed?: number;
}

/** One connection: the core and what it did. */
export interface MemoryConnection {
  readonly core: ConnectionCore;
  readonly transport: Transport;
  /** Every effect but `send`, in order. */
  readonly effects: Effect[];
  readonly feed: (event: ConnectionEvent) => void;
  readonly session: () => SessionFacts | undefined;
  readonly closed: () => boolean;
}

interface Link extends MemoryConnection {
  readonly deliver: (pieces: readonly Uint8Array[]) => void;
  readonly hangUp: () => void;
}

const GOOD: TaskResult = { status: 0, transferBytes: 0 };

export class MemoryTarget {
  readonly registry: SessionRegistry;
  readonly facts: Fact[] = [];
  /** Tasks handed to SCSI and not finished, by connection. */
  readonly running: ScriptedTask[] = [];
  nowMs = 0;
  readonly #options: MemoryTargetOptions;
  readonly #random;
  readonly #links: Link[] = [];
  readonly #queue: { readonly link: Link; readonly event: ConnectionEvent }[] = [];
  /** Connections whose login waits for the session with this TSIH to end. */
  readonly #replacing = new Map<number, Link>();
  #busy = false;

  constructor(options: MemoryTargetOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    this.registry = new SessionRegistry({ ...DEFAULT_LIMITS, ...options.limits });
  }

  /** A new connection to the target. */
  connect(): MemoryConnection {
    const { directory, limits = {}, preferences = {} } = this.#options;
    const core = createConnection({
      ...{ directory, registry: this.registry, limits, preferences, nowMs: this.nowMs },
      randomBytes: (count) => this.#random.bytes(count),
      buffers: SPOILT_BUFFERS,
      ...{ localAddress: '192.0.2.1:3260', remoteAddress: '192.0.2.9:50000', portalGroupTag: 1 },
    });
    const link = this.#link(core);
    this.#links.push(link);
    return link;
  }

  #link(core: ConnectionCore): Link {
    let onBytes = (_chunk: Uint8Array): void => undefined;
    let onClose = (): void => undefined;
    let open = true;
    const effects: Effect[] = [];
    const feed = (event: ConnectionEvent): void => this.#feed(link, event);
    const transport: Transport = {
      write: (pieces) => {
        for (const piece of pieces) {
          for (const chunk of this.#options.cut?.(piece) ?? [piece]) if (open) feed(received(chunk));
        }
      },
      onBytes: (listener) => {
        onBytes = listener;
      },
      onClose: (listener) => {
        onClose = listener;
      },
      close: () => {
        if (open) {
          open = false;
          feed({ type: 'closed' });
          onClose();
        }
      },
    };
    const link: Link = {
      ...{ core, transport, effects, feed },
      session: () => effects.find((effect) => effect.type === 'sessionOpened')?.session,
      closed: () => !open,
      deliver: (pieces) => {
        for (const piece of pieces) if (open) onBytes(piece.slice());
      },
      hangUp: () => {
        if (!open) return;
        open = false;
        onClose();
      },
    };
    return link;
  }

  /** Moves the clock and gives every core its tick when it is due, in order of time. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const due = this.#links
        .map((link) => ({ link, atMs: link.core.wakeAtMs() }))
        .filter(
          (entry): entry is { link: Link; atMs: number } => entry.atMs !== undefined && entry.atMs <= endMs,
        )
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.nowMs = Math.max(this.nowMs, due.atMs);
      this.#feed(due.link, { type: 'tick' });
    }
    this.nowMs = endMs;
  }

  #feed(link: Link, event: ConnectionEvent): void {
    this.#queue.push({ link, event });
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        for (const effect of next.link.core.handle(next.event, this.nowMs)) this.#carryOut(next.link, effect);
        if (next.event.type === 'bytes') next.event.memory?.release();
      }
    } finally {
      this.#busy = false;
    }
  }

  #carryOut(link: Link, effect: Effect): void {
    if (effect.type !== 'send') link.effects.push(effect);
    switch (effect.type) {
      case 'send':
        link.deliver(effect.pieces);
        break;
      case 'runTask':
        this.#run(link, effect.task, effect.scsi);
        break;
      case 'cancelTask':
        this.#cancel(link, effect);
        break;
      case 'replaceSession':
        this.#replace(link, effect.tsih);
        break;
      case 'manageTasks':
        this.#feed(link, { type: 'taskManagementDone', request: effect.request, response: 'complete' });
        break;
      case 'close':
        link.hangUp();
        break;
      case 'note':
        this.facts.push(effect.fact);
        break;
      case 'sessionClosed':
        this.#resume(effect.session.tsih);
        break;
      case 'tasksCleared':
      case 'sessionOpened':
        break;
      default:
        effect satisfies never;
    }
  }

  #run(link: Link, task: number, scsi: ScsiTask): void {
    const finish = (result: TaskResult): void => {
      const at = this.running.indexOf(scripted);
      if (at >= 0) this.running.splice(at, 1);
      this.#feed(link, { type: 'taskDone', task, result });
    };
    const { lun, tag, attribute, cdb, dataOut, dataInBytesMax } = scsi;
    const scripted: ScriptedTask = { lun, tag, attribute, cdb, dataOut, dataInBytesMax, finish };
    this.running.push(scripted);
    const result = this.#options.run === undefined ? GOOD : this.#options.run(scripted);
    if (result !== undefined) finish(result);
  }

  #cancel(link: Link, effect: Extract<Effect, { type: 'cancelTask' }>): void {
    const at = this.running.findIndex((task) => task.tag === effect.scsi.tag);
    const task = this.running[at];
    if (task === undefined || this.#options.cancel?.(task) !== true) return;
    this.running.splice(at, 1);
    this.#feed(link, { type: 'taskCancelled', task: effect.task });
  }

  #replace(link: Link, tsih: number): void {
    this.#replacing.set(tsih, link);
    const old = this.#links.find((other) => other.session()?.tsih === tsih && other !== link);
    if (old === undefined) this.#resume(tsih);
    else this.#feed(old, { type: 'drop', why: 'reinstated' });
  }

  #resume(tsih: number): void {
    const link = this.#replacing.get(tsih);
    this.#replacing.delete(tsih);
    if (link !== undefined) this.#feed(link, { type: 'sessionReplaced' });
  }
}

/** Whoever looks at received memory that he does not hold any more sees this byte. */
const SPOILT = 0xee;

const SPOILT_BUFFERS: BufferSource = {
  allocate: (bytes) => new Uint8Array(bytes).fill(SPOILT),
  giveBack: (buffer) => void buffer.fill(SPOILT),
};

/** A chunk in memory that is spoilt as soon as nobody holds it; held until the event was handled. */
function received(chunk: Uint8Array): ConnectionEvent {
  const memory = new CountedMemory(chunk.slice(), ({ bytes }) => SPOILT_BUFFERS.giveBack(bytes));
  memory.hold();
  return { type: 'bytes', chunk: memory.bytes, memory };
}
