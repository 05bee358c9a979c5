/**
 * What a service manager is told, in the words of sd_notify(3): that the server serves, that it stops, and
 * every so often that it lives. Where nobody listens, nothing is said. The datagrams are sent by whoever
 * made `send`; time comes from the clock that is handed in.
 */
import type { Clock } from '../clock.ts';

/** Hands one datagram to the service manager. Never throws: a manager that is gone stops no server. */
export type SendNotice = (text: string) => void;

export interface ServiceNoticesOptions {
  /** Undefined: no service manager wants to be told. */
  readonly send: SendNotice | undefined;
  /** Within this time the manager wants a sign of life each time; undefined: never. Above 0. */
  readonly watchdogMs: number | undefined;
  readonly clock: Clock;
}

export class ServiceNotices {
  readonly #options: ServiceNoticesOptions;

  constructor(options: ServiceNoticesOptions) {
    this.#options = options;
  }

  /** The portals are open; `status` is one line for `systemctl status`. */
  ready(status: string): void {
    this.#options.send?.(`READY=1\nSTATUS=${status}`);
    this.#watch();
  }

  /** Signs of life go on to the end of the process: how long a stop may take is the manager's own limit. */
  stopping(): void {
    this.#options.send?.('STOPPING=1\nSTATUS=stopping');
  }

  /**
   * Twice as often as asked for, as sd_watchdog_enabled(3) advises. A loop that stands still says nothing.
   */
  #watch(): void {
    const { send, watchdogMs, clock } = this.#options;
    if (send === undefined || watchdogMs === undefined) return;
    const beat = (): void => {
      send('WATCHDOG=1');
      clock.after(watchdogMs / 2, beat);
    };
    beat();
  }
}

/**
 * How often the manager wants a sign of life, milliseconds: WATCHDOG_USEC, if WATCHDOG_PID names this process
 * or nobody (sd_watchdog_enabled(3)). Undefined: it does not, or what it says is no number above 0.
 */
export function watchdogOf(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { WATCHDOG_USEC: text = '', WATCHDOG_PID: asked } = environment;
  if (asked !== undefined && asked !== '' && asked !== String(pid)) return undefined;
  if (!/^[1-9]\d{0,14}$/.test(text)) return undefined;
  return Number(text) / 1_000;
}
