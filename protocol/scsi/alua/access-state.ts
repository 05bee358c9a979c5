/**
 * Asymmetric access (SPC-4 §5.15) of one logical unit through the one target port group there is. Until a
 * second gateway serves the pool the group is active/optimized unless an initiator asks for something else,
 * and it is again after a restart.
 */
import { checkCondition, type Failure } from '../outcome.ts';
import { Sense } from '../sense.ts';

/** ASYMMETRIC ACCESS STATE (SPC-4 Table 320). Offline and transitioning never occur. */
export const AccessState = {
  ACTIVE_OPTIMIZED: 0x0,
  ACTIVE_NON_OPTIMIZED: 0x1,
  STANDBY: 0x2,
  UNAVAILABLE: 0x3,
} as const;

/** AO_SUP, AN_SUP, S_SUP and U_SUP (SPC-4 Table 321). */
export const SUPPORTED_STATES = 0x0f;

/** STATUS CODE (SPC-4 Table 322). */
const StatusCode = { NONE: 0x00, ALTERED_BY_SET_TARGET_PORT_GROUPS: 0x01 } as const;

/** The least accessible state in which a command still runs; without one, the active states (§5.15.2.4). */
export type RunsIn = 'standby' | 'unavailable';

const IN_STANDBY = checkCondition(Sense.TARGET_PORT_IN_STANDBY_STATE);
const IN_UNAVAILABLE = checkCondition(Sense.TARGET_PORT_IN_UNAVAILABLE_STATE);

export class PortGroupAccess {
  state: number = AccessState.ACTIVE_OPTIMIZED;
  statusCode: number = StatusCode.NONE;
  /** Not every command runs: the one thing the hot path asks. */
  restricted = false;

  /** True when that is another state than before. */
  set(state: number): boolean {
    const changed = state !== this.state;
    this.state = state;
    this.statusCode = StatusCode.ALTERED_BY_SET_TARGET_PORT_GROUPS;
    this.restricted = state === AccessState.STANDBY || state === AccessState.UNAVAILABLE;
    return changed;
  }

  /** Why a command does not run now, if so; asked only while access is restricted. */
  refusal(runsIn: RunsIn | undefined): Failure | undefined {
    if (runsIn === 'unavailable') return undefined;
    if (this.state === AccessState.UNAVAILABLE) return IN_UNAVAILABLE;
    return runsIn === 'standby' ? undefined : IN_STANDBY;
  }
}
