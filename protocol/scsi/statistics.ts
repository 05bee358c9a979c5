/**
 * What one logical unit has done since its device server began, or since LOG SELECT reset it: the counters
 * behind the log pages. Numbers only, as every command counts here.
 */
import { isFailure, type Outcome } from './outcome.ts';
import { SenseKey } from './sense.ts';

/** How a command moves logical blocks, for the counters: SBC-3's read, write and verify commands. */
export type Transfers = 'read' | 'write' | 'verify';

export class Counters {
  commands = 0;
  /** Bytes that commands which ended well transferred. */
  bytes = 0;
  /** Commands that ended with MEDIUM ERROR: nothing is ever corrected here but by the medium itself. */
  uncorrectedErrors = 0;

  reset(): void {
    this.commands = 0;
    this.bytes = 0;
    this.uncorrectedErrors = 0;
  }
}

export class Statistics {
  readonly read = new Counters();
  readonly write = new Counters();
  readonly verify = new Counters();
  /** START STOP UNIT commands that stopped the unit. */
  stops = 0;

  count(transfers: Transfers, outcome: Outcome): void {
    const counters = this[transfers];
    counters.commands += 1;
    if (!isFailure(outcome)) counters.bytes += outcome.transferBytes;
    else if (outcome.sense?.key === SenseKey.MEDIUM_ERROR) counters.uncorrectedErrors += 1;
  }
}
