/** What the commands of a run need of it. */
import type { MaybePromise } from '../../lun/units.ts';
import type { CheckedChange } from '../../snapshot/check-catalogue.ts';
import type { Pool } from '../../snapshot/pool.ts';
import type { Random } from '../support/random.ts';
import type { Command } from './command.ts';
import type { History } from './history.ts';
import type { World } from './script.ts';

export interface Tracked<T> {
  readonly command: Command;
  readonly call: () => MaybePromise<T>;
  /** It came back; judges what it brought and ends the command in the history. */
  readonly good: (result: T) => void;
  /** Failures that are in order here, beside those that the world explains. */
  readonly mayFail?: (error: unknown) => boolean;
}

export interface StructureCommand {
  readonly command: Command;
  readonly call: () => Promise<unknown>;
  /** Is this its journal record? */
  readonly recognises: (change: CheckedChange) => boolean;
}

export interface Stage {
  readonly pool: Pool;
  readonly history: History;
  readonly world: World;
  readonly random: Random;
  /** Stamps that no write has used. */
  freshStamps(count: number): Uint32Array;
  /** Gives a command to the pool and watches over it. */
  track<T>(tracked: Tracked<T>): void;
  trackStructure(structure: StructureCommand): void;
}
