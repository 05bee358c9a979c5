/**
 * What passed through one logical unit, or one nexus, since it began: commands by kind, bytes, how long they
 * took, and how they failed. Counters in arrays made once, so that counting a command makes nothing; nothing
 * resets them, unlike those behind the log pages (statistics.ts).
 */
import { Status } from './outcome.ts';
import type { TaskResult } from './task.ts';

/** The kinds of command that are told apart. */
export const TRAFFIC_KINDS = ['read', 'write', 'verify', 'flush', 'unmap', 'other'] as const;

/** Upper bounds of the latency histogram, microseconds; whatever took longer lies past the last one. */
export const LATENCY_BOUNDS_US: readonly number[] = [
  50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
  2_500_000, 10_000_000,
];

/** How a command can end other than GOOD: the sense keys of SPC-4 §4.5.6 by their number, then statuses. */
export const ERROR_CLASSES = [
  ...['no_sense', 'recovered_error', 'not_ready', 'medium_error', 'hardware_error', 'illegal_request'],
  ...['unit_attention', 'data_protect', 'blank_check', 'vendor_specific', 'copy_aborted', 'aborted_command'],
  ...['reserved', 'volume_overflow', 'miscompare', 'completed'],
  ...['busy', 'reservation_conflict', 'task_set_full', 'other_status'],
] as const;

type ErrorClass = (typeof ERROR_CLASSES)[number];

const CLASS_OF_STATUS: Readonly<Record<number, ErrorClass>> = {
  [Status.BUSY]: 'busy',
  [Status.RESERVATION_CONFLICT]: 'reservation_conflict',
  [Status.TASK_SET_FULL]: 'task_set_full',
};

/** Whether the bytes of a kind are blocks that were moved for the initiator. */
const MOVES_BLOCKS = Uint8Array.from(TRAFFIC_KINDS, (kind) =>
  kind === 'read' || kind === 'write' || kind === 'verify' ? 1 : 0,
);

const SLOTS = LATENCY_BOUNDS_US.length + 1;
const BOUNDS = Int32Array.from(LATENCY_BOUNDS_US);

export class Traffic {
  /** By the index of TRAFFIC_KINDS, as are the two that follow. */
  readonly commands = new Float64Array(TRAFFIC_KINDS.length);
  /** Bytes of commands that ended well. */
  readonly bytes = new Float64Array(TRAFFIC_KINDS.length);
  readonly elapsedUs = new Float64Array(TRAFFIC_KINDS.length);
  /** By the index of ERROR_CLASSES. */
  readonly errors = new Float64Array(ERROR_CLASSES.length);
  readonly #slots = new Float64Array(TRAFFIC_KINDS.length * SLOTS);

  /** Counts a command of the kind with this index that ended, `elapsedUs` after all of it had arrived. */
  count(kind: number, result: TaskResult, elapsedUs: number): void {
    add(this.commands, kind, 1);
    add(this.elapsedUs, kind, elapsedUs);
    let slot = 0;
    while (slot < SLOTS - 1 && elapsedUs > (BOUNDS[slot] as number)) slot += 1;
    add(this.#slots, kind * SLOTS + slot, 1);
    if (result.status !== Status.GOOD) add(this.errors, errorClassOf(result), 1);
    else if (MOVES_BLOCKS[kind] === 1) add(this.bytes, kind, result.transferBytes);
  }

  /** Commands of a kind that took at most LATENCY_BOUNDS_US[bound]. */
  within(kind: number, bound: number): number {
    let sum = 0;
    for (let slot = 0; slot <= bound; slot += 1) sum += this.#slots[kind * SLOTS + slot] as number;
    return sum;
  }
}

function add(counters: Float64Array, at: number, amount: number): void {
  counters[at] = (counters[at] as number) + amount;
}

/** Sense data says its key in byte 2 (fixed format) or byte 1 (descriptor format, 72h and 73h). */
function errorClassOf({ status, sense }: TaskResult): number {
  if (status !== Status.CHECK_CONDITION || sense === undefined) {
    return ERROR_CLASSES.indexOf(CLASS_OF_STATUS[status] ?? 'other_status');
  }
  const descriptor = ((sense[0] as number) & 0x7f) >= 0x72;
  return (sense[descriptor ? 1 : 2] as number) & 0x0f;
}
