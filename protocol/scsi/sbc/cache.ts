import type { Layout } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { type CommandRow, command, type Request } from '../command.ts';
import { DONE, LBA_OUT_OF_RANGE, type Outcome } from '../outcome.ts';
import {
  CDB_10_FIELDS,
  CDB_16_FIELDS,
  PRE_FETCH_LAYOUT_10,
  PRE_FETCH_LAYOUT_16,
  SYNCHRONIZE_10,
  SYNCHRONIZE_16,
  type TransferReader,
} from './cdb.ts';

/**
 * SYNCHRONIZE CACHE (SBC-3 §5.28, §5.29). Zero blocks mean up to the end. The whole unit is flushed,
 * whatever the range; with IMMED too the answer waits for that, so that a failure is never deferred.
 */
function synchronize({ task, server }: Request, fields: TransferReader): MaybePromise<Outcome> {
  const { capacityBlocks } = server.device.geometry;
  if (fields.lba(task.cdb) + fields.blocks(task.cdb) > capacityBlocks) return LBA_OUT_OF_RANGE;
  const flushing = server.device.flush();
  return flushing instanceof Promise ? flushing.then(() => DONE) : DONE;
}

/** PRE-FETCH (SBC-3 §5.8, §5.9): a hint. GOOD says that the blocks need not fit a cache. */
function preFetch({ task, server }: Request, fields: TransferReader): Outcome {
  const { capacityBlocks } = server.device.geometry;
  return fields.lba(task.cdb) + fields.blocks(task.cdb) > capacityBlocks ? LBA_OUT_OF_RANGE : DONE;
}

interface CacheForm {
  readonly name: string;
  readonly opcode: number;
  readonly cite: string;
  readonly cdbBytes: 10 | 16;
  readonly cdb: Layout;
  readonly reserved: 'read' | 'write';
  runByHand(request: Request): MaybePromise<Outcome>;
}

function cacheCommand(form: CacheForm): CommandRow {
  return command({ ...form, needsMedium: true, writes: false, reserved6: 'conflict' });
}

export const SYNCHRONIZE_CACHE_10 = cacheCommand({
  name: 'SYNCHRONIZE CACHE(10)',
  opcode: 0x35,
  cite: 'SBC-3 §5.28',
  cdbBytes: 10,
  cdb: SYNCHRONIZE_10,
  reserved: 'write',
  runByHand: (request) => synchronize(request, CDB_10_FIELDS),
});

export const SYNCHRONIZE_CACHE_16 = cacheCommand({
  name: 'SYNCHRONIZE CACHE(16)',
  opcode: 0x91,
  cite: 'SBC-3 §5.29',
  cdbBytes: 16,
  cdb: SYNCHRONIZE_16,
  reserved: 'write',
  runByHand: (request) => synchronize(request, CDB_16_FIELDS),
});

export const PRE_FETCH_10 = cacheCommand({
  name: 'PRE-FETCH(10)',
  opcode: 0x34,
  cite: 'SBC-3 §5.8',
  cdbBytes: 10,
  cdb: PRE_FETCH_LAYOUT_10,
  reserved: 'read',
  runByHand: (request) => preFetch(request, CDB_10_FIELDS),
});

export const PRE_FETCH_16 = cacheCommand({
  name: 'PRE-FETCH(16)',
  opcode: 0x90,
  cite: 'SBC-3 §5.9',
  cdbBytes: 16,
  cdb: PRE_FETCH_LAYOUT_16,
  reserved: 'read',
  runByHand: (request) => preFetch(request, CDB_16_FIELDS),
});
