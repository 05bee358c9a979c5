/**
 * Where initiators come in: the portals, what SendTargets answers instead of them, and the iSNS server that
 * is told of them. They follow the settings of the pool while the server runs, except what its command line
 * said. New portals are opened before a change is kept, so that one that cannot be opened refuses it.
 */
import type { Clock } from './clock.ts';
import { DEFAULT_PORTAL } from './config/defaults.ts';
import { IsnsClient } from './isns/client.ts';
import { ISNS_PORT, type IsnsEntity } from './isns/messages.ts';
import type { Log } from './log.ts';
import type { Settings } from './settings.ts';
import { type OpenPortal, type Portal, parsePortal } from './shell/portal.ts';

export interface DoorsOptions {
  /** What the command line says goes before the settings. */
  readonly fixed: Settings;
  readonly open: OpenPortal;
  readonly entity: () => IsnsEntity;
  readonly clock: Clock;
  readonly log: Log;
}

/** A change that is prepared; one of the two has to follow. */
export interface PreparedDoors {
  commit(): void;
  undo(): void;
}

export class Doors {
  readonly #options: DoorsOptions;
  /** By what was asked for; a port that was picked is in the portal's address. */
  #portals = new Map<string, Portal>();
  #advertise: readonly string[] = [];
  #isns: { readonly address: string; readonly client: IsnsClient } | undefined;
  #isOpen = false;

  constructor(options: DoorsOptions) {
    this.#options = options;
  }

  /** Where the portals listen: HOST:PORT each. */
  get addresses(): readonly string[] {
    return [...this.#portals.values()].map((portal) => portal.address);
  }

  /** What iSNS is told of. */
  get reachable(): { readonly portals: readonly string[]; readonly advertise: readonly string[] } {
    return { portals: this.addresses, advertise: this.advertise };
  }

  get advertise(): readonly string[] {
    return this.#advertise;
  }

  /** What the command line has said for the life of this server. */
  get fixed(): Settings {
    return this.#options.fixed;
  }

  /** OperatorError portal: one cannot be opened; those that were are closed again by `close`. */
  async open(settings: Settings): Promise<void> {
    this.#isOpen = true;
    const prepared = await this.prepare(settings);
    prepared.commit();
  }

  /** Before the doors are open there is nothing to prepare. */
  async prepare(settings: Settings): Promise<PreparedDoors> {
    if (!this.#isOpen) return { commit: () => undefined, undo: () => undefined };
    const { fixed, open } = this.#options;
    const wanted = fixed.portals ?? settings.portals ?? [DEFAULT_PORTAL];
    const portals = new Map<string, Portal>();
    const opened: Portal[] = [];
    const undo = (): void => {
      for (const portal of opened) portal.close();
    };
    try {
      for (const [key, text] of distinct(wanted)) {
        const present = this.#portals.get(key);
        const portal = present ?? (await open(parsePortal(text)));
        if (present === undefined) opened.push(portal);
        portals.set(key, portal);
      }
    } catch (error) {
      undo();
      throw error;
    }
    return { undo, commit: () => this.#commit(portals, fixed, settings) };
  }

  /** Nobody is let in any more. */
  async close(): Promise<void> {
    for (const portal of this.#portals.values()) portal.close();
    await this.#isns?.client.stop();
  }

  /** Nobody waits for the iSNS server: who knows the address is served without it. */
  #commit(portals: Map<string, Portal>, fixed: Settings, settings: Settings): void {
    const { clock, log, entity } = this.#options;
    const isns = fixed.isns ?? settings.isns;
    for (const [key, portal] of this.#portals) if (portals.get(key) !== portal) portal.close();
    this.#portals = portals;
    this.#advertise = fixed.advertise ?? settings.advertise ?? [];
    if (isns !== this.#isns?.address) {
      void this.#isns?.client.stop();
      this.#isns = undefined;
      if (isns !== undefined) {
        const client = new IsnsClient({ server: parsePortal(isns, ISNS_PORT), entity, clock, log });
        this.#isns = { address: isns, client };
      }
    }
    void this.#isns?.client.refresh();
  }
}

/** Portals by key: one named twice is refused when it is opened, and port 0 picks another each time. */
function distinct(portals: readonly string[]): ReadonlyArray<readonly [string, string]> {
  const counts = new Map<string, number>();
  return portals.map((text) => {
    const count = counts.get(text) ?? 0;
    counts.set(text, count + 1);
    return [`${text} ${count}`, text];
  });
}
