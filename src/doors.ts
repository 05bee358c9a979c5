/**
 * Where initiators come in: the portals, what SendTargets answers instead of them, and the iSNS server that
 * is told of them. They follow the settings of the pool while the server runs, except what its command line
 * said. New portals are opened before a change is kept, so that one that cannot be opened refuses it.
 */
import type { TargetAddress } from '../protocol/iscsi/directory.ts';
import { DEFAULT_PORTAL_GROUP_TAG } from '../protocol/scsi/target-port.ts';
import type { Clock } from './clock.ts';
import { DEFAULT_PORTAL } from './config/defaults.ts';
import { IsnsClient } from './isns/client.ts';
import { ISNS_PORT, type IsnsEntity } from './isns/messages.ts';
import type { Log } from './log.ts';
import type { Settings } from './settings.ts';
import {
  addressText,
  type GroupedPortal,
  type OpenPortal,
  type Portal,
  parseGroupedPortal,
  parsePortal,
} from './shell/portal.ts';

export interface DoorsOptions {
  /** What the command line says goes before the settings. */
  readonly fixed: Settings;
  readonly open: OpenPortal;
  readonly entity: () => IsnsEntity;
  /** Called when portals may have come, gone or changed their groups. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** A change that is prepared; one of the two has to follow. */
export interface PreparedDoors {
  commit(): void;
  undo(): void;
}

/** A portal, and the group that it is to be in. */
interface OpenDoor {
  readonly portal: Portal;
  readonly portalGroupTag: number;
}

export class Doors {
  readonly #options: DoorsOptions;
  /** By what was asked for; a port that was picked is in the portal's address. */
  #portals = new Map<string, Portal>();
  #advertise: readonly GroupedPortal[] = [];
  #isns: { readonly address: string; readonly client: IsnsClient } | undefined;
  #isOpen = false;

  constructor(options: DoorsOptions) {
    this.#options = options;
  }

  /** Where the portals listen: HOST:PORT each. */
  get addresses(): readonly string[] {
    return [...this.#portals.values()].map((portal) => portal.address);
  }

  /** Where the portals listen, with their groups. */
  get portals(): readonly TargetAddress[] {
    return [...this.#portals.values()].map(({ address, portalGroupTag }) => ({ address, portalGroupTag }));
  }

  /** What is told instead. Where no group is stated it is that of the first portal. */
  get advertise(): readonly TargetAddress[] {
    const [first] = this.#portals.values();
    return this.#advertise.map(({ host, port, portalGroupTag = first?.portalGroupTag }) => ({
      address: addressText(host, port),
      portalGroupTag: portalGroupTag ?? DEFAULT_PORTAL_GROUP_TAG,
    }));
  }

  /** The groups that there are, each once. */
  get portalGroupTags(): readonly number[] {
    return [...new Set(this.portals.map(({ portalGroupTag }) => portalGroupTag))];
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
    const portals = new Map<string, OpenDoor>();
    const opened: Portal[] = [];
    const undo = (): void => {
      for (const portal of opened) portal.close();
    };
    try {
      for (const [key, { portalGroupTag = DEFAULT_PORTAL_GROUP_TAG, ...where }] of distinct(wanted)) {
        const present = this.#portals.get(key);
        const portal = present ?? (await open(where, portalGroupTag));
        if (present === undefined) opened.push(portal);
        portals.set(key, { portal, portalGroupTag });
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
  #commit(doors: Map<string, OpenDoor>, fixed: Settings, settings: Settings): void {
    const { clock, log, entity } = this.#options;
    const isns = fixed.isns ?? settings.isns;
    for (const [key, portal] of this.#portals) if (doors.get(key)?.portal !== portal) portal.close();
    this.#portals = new Map([...doors].map(([key, { portal }]) => [key, portal]));
    for (const { portal, portalGroupTag } of doors.values()) portal.portalGroupTag = portalGroupTag;
    this.#advertise = (fixed.advertise ?? settings.advertise ?? []).map(parseGroupedPortal);
    if (isns !== this.#isns?.address) {
      void this.#isns?.client.stop();
      this.#isns = undefined;
      if (isns !== undefined) {
        const client = new IsnsClient({ server: parsePortal(isns, ISNS_PORT), entity, clock, log });
        this.#isns = { address: isns, client };
      }
    }
    void this.#isns?.client.refresh();
    this.#options.onChange();
  }
}

/**
 * Portals by key, which is their address alone: another group is no other portal. One named twice is refused
 * when it is opened, and port 0 picks another each time.
 */
function distinct(portals: readonly string[]): ReadonlyArray<readonly [string, GroupedPortal]> {
  const counts = new Map<string, number>();
  return portals.map((text) => {
    const portal = parseGroupedPortal(text);
    const address = addressText(portal.host, portal.port);
    const count = counts.get(address) ?? 0;
    counts.set(address, count + 1);
    return [`${address} ${count}`, portal];
  });
}
