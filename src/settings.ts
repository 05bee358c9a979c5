/**
 * What of the server itself is declared and kept in the pool, so that a start needs no options: where it
 * listens, what it advertises, whom it registers with, when it warns. An option of the command line goes
 * before what is kept here, for as long as that server runs.
 */
import { strict as assert } from 'node:assert';

export const SETTINGS_DOCUMENT = 'settings';

/** What is absent is not declared. */
export interface Settings {
  /** HOST:PORT or HOST:PORT,TAG each, as they were written. */
  readonly portals?: readonly string[] | undefined;
  readonly advertise?: readonly string[] | undefined;
  readonly isns?: string | undefined;
  readonly thresholdPercents?: readonly number[] | undefined;
}

/** The document was written by this program and is checksummed: a wrong form is our own fault. */
export function asSettings(value: unknown): Settings {
  if (value === undefined) return {};
  assert(typeof value === 'object' && value !== null);
  return value as Settings;
}
