/** A device over blocks of a pool: what another one of the same pool can take blocks from by reference. */
import type { Gate } from './gate.ts';
import type { View } from './views.ts';

export abstract class PoolDevice {
  /** What is read through it. */
  abstract readonly view: View;
  /** The same object for all devices of one opening of a pool, and for no others. */
  abstract readonly gate: Gate;
}
