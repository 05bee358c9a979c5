import type { BlockDevice } from './block-device.ts';
import type { MaybePromise } from './units.ts';

/** Who a unit is, for INQUIRY and its VPD pages. Never reused for another unit. */
export interface UnitIdentity {
  /** NAA identifier, 16 bytes, type 6 (SPC-4 §7.8.6.6.5). */
  readonly naa: Uint8Array;
  /** Unit serial number, ASCII (VPD page 80h). */
  readonly serial: string;
  /** The operator's name of the unit, for logs and the vendor-specific designator. */
  readonly name: string;
}

/** Something that happened to a unit; the SCSI layer words it as a unit attention for every nexus. */
export type UnitFact =
  | 'capacity-changed'
  /** The contents are other than they were, by rollback. */
  | 'contents-replaced'
  /** Read-only became writable or the reverse, or the write cache setting changed. */
  | 'mode-changed'
  /** Its limits are others. No initiator is told. */
  | 'limits-changed'
  /** Space ran below a soft threshold. */
  | 'space-threshold'
  /** The soft thresholds lie elsewhere, because the space has another size. */
  | 'thresholds-changed';

/** The most that all initiators of a unit may do together in a second; absent: there is no such bound. */
export interface UnitLimits {
  /** Commands that move blocks. */
  readonly iopsMax?: number;
  /** Bytes that they move. */
  readonly throughputMaxBytes?: number;
}

/** Small values of a unit that survive restarts: persistent reservations, saved mode pages. */
export interface UnitState {
  get(key: string): Uint8Array | undefined;
  /** Durable against power loss when it completes; undefined removes the value. */
  put(key: string, value: Uint8Array | undefined): MaybePromise<void>;
}

/** A logical unit as SCSI sees it: an identity, blocks, properties and facts. */
export interface LogicalUnit {
  readonly identity: UnitIdentity;
  readonly device: BlockDevice;
  readonly readOnly: boolean;
  readonly removable: boolean;
  /** The write cache is on unless the operator switched it off (MODE page 08h, WCE). */
  readonly writeCache: boolean;
  readonly limits?: UnitLimits;
  /** Thin: UNMAP gives blocks back (LBPME, LBPRZ). */
  readonly thin: boolean;
  /** Bytes that writes to blocks without data can still take, shared with other units; absent: not known. */
  readonly availableBytes?: () => number;
  /** What is left when 'space-threshold' is told, for each threshold, the first to come first. */
  readonly thresholdsBytes?: () => readonly number[];
  readonly state: UnitState;
  /** Calls `listener` at every fact from now on; the returned function ends that. */
  onFact(listener: (fact: UnitFact) => void): () => void;
}

/** The units of one target by LUN number. */
export interface UnitMap {
  get(lun: number): LogicalUnit | undefined;
  /** LUN numbers in use, ascending. */
  numbers(): readonly number[];
  /** Calls `listener` after every change of the map; the returned function ends that. */
  onChange(listener: () => void): () => void;
}
