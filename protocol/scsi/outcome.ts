/**
 * What a command came to. A handler answers `good(...)` or a failure in words; `execute.ts` alone
 * turns failures into a status byte and sense data. A failure of the store becomes sense here and
 * nowhere else.
 */
import { StoreError } from '../../lun/errors.ts';
import { Sense, type SenseCode, type SenseDetail } from './sense.ts';
import type { TaskResult } from './task.ts';

/** Status codes (SAM-5 §5.3.1). */
export const Status = {
  GOOD: 0x00,
  CHECK_CONDITION: 0x02,
  BUSY: 0x08,
  RESERVATION_CONFLICT: 0x18,
  TASK_SET_FULL: 0x28,
} as const;

/** The command ended otherwise than GOOD. */
export interface Failure {
  readonly failure: 'check-condition' | 'reservation-conflict' | 'busy' | 'task-set-full';
  readonly sense?: SenseCode;
  readonly detail?: SenseDetail;
  /** What the command wanted to transfer, for the residual; 0 when it never came to that. */
  readonly transferBytes?: number;
}

export type Outcome = TaskResult | Failure;

export function isFailure(outcome: Outcome): outcome is Failure {
  return (outcome as Partial<Failure>).failure !== undefined;
}

/** GOOD without data. */
export const DONE: TaskResult = { status: Status.GOOD, transferBytes: 0 };

export const RESERVATION_CONFLICT: Failure = { failure: 'reservation-conflict' };

export const TASK_SET_FULL: Failure = { failure: 'task-set-full' };

/** GOOD with all of `dataIn`. */
export function good(dataIn: Uint8Array): TaskResult {
  return { status: Status.GOOD, dataIn, transferBytes: dataIn.byteLength };
}

/** GOOD with as much of `parameterData` as ALLOCATION LENGTH allows (SPC-4 §4.2.5.6). */
export function truncated(parameterData: Uint8Array, allocationLength: number): TaskResult {
  return good(
    parameterData.byteLength > allocationLength ? parameterData.subarray(0, allocationLength) : parameterData,
  );
}

/** GOOD after data-out; `transferBytes` is what the CDB asked for. */
export function received(transferBytes: number): TaskResult {
  return { status: Status.GOOD, transferBytes };
}

export function checkCondition(sense: SenseCode, detail?: SenseDetail): Failure {
  return detail === undefined
    ? { failure: 'check-condition', sense }
    : { failure: 'check-condition', sense, detail };
}

/** INVALID FIELD IN CDB, pointing at the field's first byte and, for a part of a byte, its highest bit. */
export function invalidCdbField(byte: number, bit?: number): Failure {
  const field = bit === undefined ? { of: 'cdb', byte } : { of: 'cdb', byte, bit };
  return checkCondition(Sense.INVALID_FIELD_IN_CDB, { field } as SenseDetail);
}

/** INVALID FIELD IN PARAMETER LIST, pointing into the data-out. */
export function invalidParameter(byte: number, bit?: number): Failure {
  const field = bit === undefined ? { of: 'parameter-list', byte } : { of: 'parameter-list', byte, bit };
  return checkCondition(Sense.INVALID_FIELD_IN_PARAMETER_LIST, { field } as SenseDetail);
}

export const LBA_OUT_OF_RANGE: Failure = checkCondition(Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE);

export const PARAMETER_LIST_LENGTH_ERROR: Failure = checkCondition(Sense.PARAMETER_LIST_LENGTH_ERROR);

/**
 * The sense of a store that failed while it read or wrote (SBC-3 §4.20). Anything but a StoreError is
 * our own fault: rethrown.
 */
export function storeFailure(error: unknown, direction: 'read' | 'write'): Failure {
  if (!(error instanceof StoreError)) throw error;
  const detail = error.lba === undefined ? undefined : { information: error.lba };
  switch (error.code) {
    case 'IO':
      return checkCondition(direction === 'read' ? Sense.UNRECOVERED_READ_ERROR : Sense.WRITE_ERROR, detail);
    case 'CORRUPT':
      return checkCondition(Sense.UNRECOVERED_READ_ERROR, detail);
    case 'NO_SPACE':
      return checkCondition(Sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT, detail);
    case 'READ_ONLY':
      return checkCondition(Sense.WRITE_PROTECTED);
    case 'CLOSED':
      return checkCondition(Sense.INTERNAL_TARGET_FAILURE);
    default:
      return error.code satisfies never;
  }
}
