/**
 * CmdSN of one session (RFC 7143 §4.2.2.1). The window [ExpCmdSN, MaxCmdSN] opens by one whenever a
 * command ends, so commands received and not ended never exceed its first width. Commands that come
 * early wait here until those before them came; with one connection that happens only when the
 * initiator numbers them so, or after a command was lost to a digest error.
 */
import { serialAdd, serialLess, serialLessOrEqual, serialNext } from 'node-iscsi-pdu';

/** What to do with a command that is not immediate. */
export type Arrival = 'now' | 'hold' | 'duplicate' | 'outside';

export class CommandWindow<Held> {
  #expCmdSN = 0;
  #maxCmdSN = 0;
  /** Early commands by CmdSN; undefined is a place that counts as received although nothing is there. */
  readonly #held = new Map<number, Held | undefined>();

  /** `initialCmdSN` is the CmdSN of the login: the first command will have the same. */
  open(initialCmdSN: number, widthCommands: number): void {
    this.#expCmdSN = initialCmdSN;
    this.#maxCmdSN = serialAdd(initialCmdSN, widthCommands - 1);
  }

  get expCmdSN(): number {
    return this.#expCmdSN;
  }

  get maxCmdSN(): number {
    return this.#maxCmdSN;
  }

  /** Judges a CmdSN. `now` has advanced ExpCmdSN already. */
  arrive(cmdSN: number): Arrival {
    if (cmdSN === this.#expCmdSN) {
      if (this.#isFull()) return 'outside';
      this.#expCmdSN = serialNext(cmdSN);
      return 'now';
    }
    if (!this.contains(cmdSN)) return 'outside';
    return this.#held.has(cmdSN) ? 'duplicate' : 'hold';
  }

  /** Whether ExpCmdSN ≤ `cmdSN` ≤ MaxCmdSN. */
  contains(cmdSN: number): boolean {
    return serialLessOrEqual(this.#expCmdSN, cmdSN) && serialLessOrEqual(cmdSN, this.#maxCmdSN);
  }

  hold(cmdSN: number, held: Held | undefined): void {
    this.#held.set(cmdSN, held);
  }

  /** Early commands that still wait. */
  held(): readonly Held[] {
    return [...this.#held.values()].filter((held) => held !== undefined);
  }

  /** The place stays received, what waited there is gone. */
  forget(cmdSN: number): void {
    if (this.#held.has(cmdSN)) this.#held.set(cmdSN, undefined);
  }

  /** The next early command whose turn has come; steps over places that are empty. */
  nextInOrder(): Held | undefined {
    while (this.#held.size > 0 && this.#held.has(this.#expCmdSN)) {
      const held = this.#held.get(this.#expCmdSN);
      this.#held.delete(this.#expCmdSN);
      this.#expCmdSN = serialNext(this.#expCmdSN);
      if (held !== undefined) return held;
      // An empty place never becomes a command that ends, so it opens the window itself.
      this.commandEnded();
    }
    return undefined;
  }

  /** A command that was received and is not immediate has ended. */
  commandEnded(): void {
    this.#maxCmdSN = serialNext(this.#maxCmdSN);
  }

  #isFull(): boolean {
    return serialLess(this.#maxCmdSN, this.#expCmdSN);
  }
}
