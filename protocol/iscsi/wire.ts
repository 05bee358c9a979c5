/**
 * The way out of a connection: numbers PDUs (StatSN, ExpCmdSN, MaxCmdSN), gives them digests, and keeps
 * the effects of one `handle` in order. Whatever is sent after `close` is dropped.
 */
import {
  type Crc32c,
  encodePdu,
  type Layout,
  type PduDefinition,
  type RecordOf,
  Reject,
  type RejectReason,
  serialNext,
} from 'node-iscsi-pdu';
import type { CommandWindow } from './command-window.ts';
import type { Effect, Fact, FactKind } from './effects.ts';

/** How a PDU is numbered: it carries a status and uses up a StatSN, tells the next one, or carries none. */
export type Numbering = 'status' | 'next' | 'none';

export interface WireOptions {
  readonly crc32c: Crc32c;
  readonly factsPerKindMax: number;
}

export class Wire {
  readonly crc32c: Crc32c;
  readonly window: CommandWindow<unknown>;
  readonly #factsPerKindMax: number;
  readonly #factCounts = new Map<FactKind, number>();
  #effects: Effect[] = [];
  #statSN = 0;
  #headerDigest = false;
  #dataDigest = false;
  #closed = false;

  constructor(window: CommandWindow<unknown>, options: WireOptions) {
    this.window = window;
    this.crc32c = options.crc32c;
    this.#factsPerKindMax = options.factsPerKindMax;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get headerDigest(): boolean {
    return this.#headerDigest;
  }

  get dataDigest(): boolean {
    return this.#dataDigest;
  }

  setDigests({ header, data }: { readonly header: boolean; readonly data: boolean }): void {
    this.#headerDigest = header;
    this.#dataDigest = data;
  }

  setStatSN(statSN: number): void {
    this.#statSN = statSN;
  }

  /** Uses up a StatSN. */
  takeStatSN(): number {
    const statSN = this.#statSN;
    this.#statSN = serialNext(statSN);
    return statSN;
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** What has gathered since the last call. */
  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  sendPieces(pieces: readonly Uint8Array[]): void {
    if (!this.#closed) this.#effects.push({ type: 'send', pieces });
  }

  send<L extends Layout>(
    definition: PduDefinition<L>,
    record: Partial<RecordOf<L>>,
    { numbering = 'status', data }: { readonly numbering?: Numbering; readonly data?: Uint8Array } = {},
  ): void {
    if (this.#closed) return;
    const { expCmdSN, maxCmdSN } = this.window;
    const numbers = numbering === 'none' ? { expCmdSN, maxCmdSN } : { statSN: 0, expCmdSN, maxCmdSN };
    if (numbering === 'status') numbers.statSN = this.takeStatSN();
    if (numbering === 'next') numbers.statSN = this.#statSN;
    const pieces = encodePdu(
      definition,
      { ...record, ...numbers },
      {
        headerDigest: this.#headerDigest,
        dataDigest: this.#dataDigest,
        crc32c: this.crc32c,
        ...(data === undefined ? {} : { data }),
      },
    );
    this.#effects.push({ type: 'send', pieces });
  }

  /** RFC 7143 §11.17: the data segment is the header of the PDU that is refused. */
  reject(reason: RejectReason, bhs: Uint8Array): void {
    this.send(Reject, { reason }, { data: bhs.slice() });
  }

  /** Tells the shell something, as often as the limit for its kind allows. */
  note(kind: FactKind, message: string, details?: Fact['details']): void {
    const count = (this.#factCounts.get(kind) ?? 0) + 1;
    this.#factCounts.set(kind, count);
    if (count > this.#factsPerKindMax) return;
    this.emit({ type: 'note', fact: { kind, message, ...(details === undefined ? {} : { details }) } });
  }

  /** The transport is gone: nothing more is sent. */
  shut(): void {
    this.#closed = true;
  }

  /** Closes the transport after what was sent before. */
  close(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.emit({ type: 'close', why });
  }
}
