/**
 * Which commands may still look at places that were resolved earlier. A command enters before it resolves and
 * leaves when its last byte is read. A place that was freed may be given away again once every command that
 * ran at that moment has left (SYSTEM.md §6, free).
 *
 * Commands are counted per generation; a generation closes only when somebody waits for it. So entering and
 * leaving touch one counter, however many commands run.
 */
import assert from 'node:assert';

interface Generation {
  running: number;
  readonly whenQuiet: Array<() => void>;
}

export class ReaderEpochs {
  /** The open generation is the last one; `#firstNumber` numbers the first. */
  readonly #generations: Generation[] = [{ running: 0, whenQuiet: [] }];
  #firstNumber = 0;
  #running = 0;

  /** Commands that have entered and not left. */
  get running(): number {
    return this.#running;
  }

  /** A command begins; give the number back to `leave`. */
  enter(): number {
    const last = this.#generations.length - 1;
    (this.#generations[last] as Generation).running += 1;
    this.#running += 1;
    return this.#firstNumber + last;
  }

  /** The command that entered with this number has ended. May run functions given to `whenQuiet`. */
  leave(number: number): void {
    const generation = this.#generations[number - this.#firstNumber];
    assert(generation !== undefined && generation.running > 0, 'a command leaves once');
    generation.running -= 1;
    this.#running -= 1;
    if (generation.running === 0 && this.#generations.length > 1) this.#closeQuiet();
  }

  /**
   * Runs `run` when every command that runs now has ended: at once when none does. In the order of the calls.
   */
  whenQuiet(run: () => void): void {
    if (this.#running === 0 && this.#generations.length === 1) {
      run();
      return;
    }
    const last = this.#generations.length - 1;
    const open = this.#generations[last] as Generation;
    if (open.running === 0 && last > 0) {
      (this.#generations[last - 1] as Generation).whenQuiet.push(run);
      return;
    }
    open.whenQuiet.push(run);
    this.#generations.push({ running: 0, whenQuiet: [] });
  }

  #closeQuiet(): void {
    while (this.#generations.length > 1 && (this.#generations[0] as Generation).running === 0) {
      const quiet = this.#generations.shift() as Generation;
      this.#firstNumber += 1;
      for (const run of quiet.whenQuiet) run();
    }
  }
}
