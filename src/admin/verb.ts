/** An admin verb is one row: its name, its arguments, whether it changes anything, and what it does. */
import type { DeviceServers } from '../../protocol/scsi/device-server.ts';
import type { Pool } from '../../snapshot/pool.ts';
import type { ChangeQueue } from '../change-queue.ts';
import type { Doors } from '../doors.ts';
import type { Log } from '../log.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { Hub } from '../shell/hub.ts';
import type { Targets } from '../targets/targets.ts';
import { type ArgumentsOf, checkArguments, type Fields } from './arguments.ts';
import type { RunningExports } from './exports.ts';

export interface AdminContext {
  readonly pool: Pool;
  readonly targets: Targets;
  readonly hub: Hub;
  /** One for each LUN that somebody may use. */
  readonly servers: DeviceServers;
  readonly doors: Doors;
  readonly schedules: Schedules;
  readonly exports: RunningExports;
  readonly changes: ChangeQueue;
  readonly log: Log;
  readonly portals: () => readonly string[];
  readonly startedAtMs: number;
  readonly wallMs: () => number;
  /** The clock that never runs back: ages of sessions. */
  readonly nowMs: () => number;
  readonly poolDescription: string;
  /** Where health, readiness and metrics are told: HOST:PORT. */
  readonly metricsAddress: string | undefined;
}

export interface Verb {
  readonly name: string;
  /** Verbs that change something run one after another. */
  readonly changes: boolean;
  run(context: AdminContext, args: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** The bytes of a request, beside its line. */
export interface Channel {
  /** Waits while the client does not keep up. */
  write(bytes: Uint8Array): Promise<void>;
  /** `brokeOff` makes the error for a client that went away before its last byte. */
  read(brokeOff: () => Error): AsyncIterable<Uint8Array>;
}

/** A verb that takes or gives bytes as well; it runs beside all others. */
export interface StreamVerb {
  readonly name: string;
  readonly direction: 'in' | 'out';
  run(context: AdminContext, args: Readonly<Record<string, unknown>>, channel: Channel): Promise<unknown>;
}

export function verb<F extends Fields>(row: {
  readonly name: string;
  readonly changes: boolean;
  readonly fields: F;
  run(context: AdminContext, args: ArgumentsOf<F>): unknown;
}): Verb {
  return {
    name: row.name,
    changes: row.changes,
    run: async (context, args) => row.run(context, checkArguments(row.name, row.fields, args)),
  };
}
