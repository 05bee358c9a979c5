/** SANITIZE (SBC-3 §5.24): BLOCK ERASE, OVERWRITE and EXIT FAILURE MODE. Nothing is encrypted here. */
import { bit, u16 } from 'node-iscsi-pdu/fields';
import { command, type Request } from '../command.ts';
import {
  checkCondition,
  DONE,
  type Failure,
  invalidCdbField,
  invalidParameter,
  type Outcome,
  received,
} from '../outcome.ts';
import type { SanitizeOrder } from '../sanitizer.ts';
import { Sense } from '../sense.ts';
import { u16At } from './cdb.ts';

const row = {
  opcode: 0x48,
  cite: 'SBC-3 §5.24',
  cdbBytes: 10,
  needsMedium: true,
  writes: true,
  reserved: 'write',
  reserved6: 'conflict',
  runsAfterFailedSanitize: true,
} as const;

const FLAGS = { immediate: bit(1, 7), allowUnrestrictedExit: bit(1, 5) };
/** It has no parameter list. */
const NO_LIST = { parameterListLength: u16(7) };

/** Why it may not begin: after a failure without a way out, nobody may ask for one (SBC-3 §4.11.4). */
function refusal({ server }: Request, allowUnrestrictedExit: boolean): Failure | undefined {
  return allowUnrestrictedExit && server.sanitizer.failure === 'restricted'
    ? invalidCdbField(1, 5)
    : undefined;
}

async function sanitize(
  { server }: Request,
  order: SanitizeOrder,
  { immediate, listBytes }: { immediate: boolean; listBytes: number },
): Promise<Outcome> {
  const { ended } = await server.sanitizer.begin(order);
  if (immediate || (await ended)) return received(listBytes);
  return checkCondition(Sense.SANITIZE_COMMAND_FAILED);
}

export const SANITIZE_BLOCK_ERASE = command({
  ...row,
  name: 'SANITIZE, BLOCK ERASE',
  serviceAction: 0x02,
  cdb: FLAGS,
  refused: NO_LIST,
  run(request, { immediate, allowUnrestrictedExit }): Outcome | Promise<Outcome> {
    const refused = refusal(request, allowUnrestrictedExit);
    if (refused !== undefined) return refused;
    const order = { pattern: undefined, unrestrictedExit: allowUnrestrictedExit };
    return sanitize(request, order, { immediate, listBytes: 0 });
  },
});

const HEADER_BYTES = 4;
const INVERT = 0x80;
const TEST = 0x60;
const OVERWRITE_COUNT = 0x1f;

export const SANITIZE_OVERWRITE = command({
  ...row,
  name: 'SANITIZE, OVERWRITE',
  serviceAction: 0x01,
  cdb: { ...FLAGS, parameterListLength: u16(7) },
  run(request, { immediate, allowUnrestrictedExit, parameterListLength }): Outcome | Promise<Outcome> {
    const { server, task } = request;
    const { blockBytes } = server.device.geometry;
    const refused = refusal(request, allowUnrestrictedExit);
    if (refused !== undefined) return refused;
    if (parameterListLength <= HEADER_BYTES || parameterListLength > HEADER_BYTES + blockBytes)
      return invalidCdbField(7);
    const pattern = patternOf(task.dataOut.subarray(0, parameterListLength));
    if ('failure' in pattern) return pattern;
    const order = { pattern, unrestrictedExit: allowUnrestrictedExit };
    return sanitize(request, order, { immediate, listBytes: parameterListLength });
  },
});

/** What the last pass writes (SBC-3 Table 87); every other one is inverted where that is asked for. */
function patternOf(list: Uint8Array): Uint8Array | Failure {
  const flags = list[0] ?? 0;
  const passes = flags & OVERWRITE_COUNT;
  if ((flags & TEST) !== 0) return invalidParameter(0, 6);
  if (passes === 0) return invalidParameter(0, 4);
  if (list[1] !== 0) return invalidParameter(1);
  const length = u16At(list, 2);
  if (length === 0 || HEADER_BYTES + length > list.byteLength) return invalidParameter(2);
  const inverted = (flags & INVERT) !== 0 && passes % 2 === 0;
  return list.slice(HEADER_BYTES, HEADER_BYTES + length).map((byte) => (inverted ? ~byte : byte));
}

export const SANITIZE_EXIT_FAILURE_MODE = command({
  ...row,
  name: 'SANITIZE, EXIT FAILURE MODE',
  serviceAction: 0x1f,
  cdb: FLAGS,
  refused: NO_LIST,
  run({ server }): Outcome | Promise<Outcome> {
    const { failure } = server.sanitizer;
    if (failure === 'restricted') return invalidCdbField(1, 4);
    return failure === undefined ? DONE : server.sanitizer.exitFailure().then(() => DONE);
  },
});
