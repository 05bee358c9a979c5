/**
 * What an operator can declare, in normal form: names as they are compared, sizes in bytes, lists in order.
 * A section that is absent is left as it is; one that is present is the whole of it.
 */
import type { VlunInfo } from '../../snapshot/pool-types.ts';
import type { Retention } from '../schedules/schedule.ts';
import type { When } from '../schedules/timing.ts';

/** The number of the form that this program reads, `snaplun: 1` in the file. */
export const CONFIG_FORMAT = 1;

export interface Configuration {
  readonly pool?: PoolSection;
  readonly server?: ServerSection;
  readonly luns?: ReadonlyMap<string, DeclaredLun>;
  readonly targets?: ReadonlyMap<string, DeclaredTarget>;
  readonly schedules?: readonly DeclaredSchedule[];
}

export interface PoolSection {
  /** Absent: as large as it is. */
  readonly capacityBytes?: number | undefined;
  /** Absent: the default. */
  readonly thresholdPercents?: readonly number[] | undefined;
}

export interface ServerSection {
  /** HOST:PORT each; absent: the default. */
  readonly portals?: readonly string[] | undefined;
  readonly advertise?: readonly string[] | undefined;
  readonly isns?: string | undefined;
}

/** What is declared of a VLUN. */
type LunProperty =
  | 'sizeBytes'
  | 'blockBytes'
  | 'readOnly'
  | 'removable'
  | 'writeCache'
  | 'reservedBytes'
  | 'iopsMax'
  | 'throughputMaxBytes';

export interface DeclaredLun extends Pick<VlunInfo, LunProperty> {
  /** The LUN that it follows. */
  readonly tracks?: string | undefined;
  /** NAME@SNAP that it is made from where it has to be made. */
  readonly clone?: string | undefined;
}

export interface DeclaredTarget {
  readonly isDefault: boolean;
  readonly alias?: string | undefined;
  /** NAME or NAME@SNAP by LUN number. */
  readonly luns: ReadonlyMap<number, string>;
  /** LUN numbers, or all, by initiator name; absent: every initiator may log in. */
  readonly initiators?: ReadonlyMap<string, readonly number[] | 'all'> | undefined;
  readonly chap?: DeclaredChap | undefined;
  readonly redirect?: { readonly address: string; readonly permanent: boolean } | undefined;
}

export interface DeclaredChap {
  readonly inbound: DeclaredSecret;
  readonly outbound?: DeclaredSecret | undefined;
}

/** A CHAP name and where its secret is: a file, or else the pool, which has it already. */
export interface DeclaredSecret {
  readonly name: string;
  readonly file: string | undefined;
}

export interface DeclaredSchedule {
  readonly name: string;
  /** In order. */
  readonly luns: readonly string[];
  readonly when: When;
  readonly keep: Retention;
}
