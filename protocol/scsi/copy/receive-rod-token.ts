/** RECEIVE ROD TOKEN INFORMATION (SPC-4 §6.29, SBC-3 §5.21): how a token operation goes, and the token. */
import { u32 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { failed } from '../execute.ts';
import { invalidCdbField, type Outcome, Status, truncated } from '../outcome.ts';
import { concatenated, u32Bytes, viewOf } from '../parameter-data.ts';
import { ROD_TOKEN_BYTES } from './rod-tokens.ts';
import { operationsOf, type TokenOperation } from './token-operations.ts';

const HEADER_BYTES = 32;
/** Sense data is given room in whole words. */
const SENSE_ALIGNMENT = 4;
/** TRANSFER COUNT UNITS: logical blocks. */
const LOGICAL_BLOCKS = 0xf1;
/** COPY OPERATION STATUS (SPC-4 Table 244). */
const STATUS_OF = { done: 0x01, failed: 0x02, foreground: 0x11, background: 0x12 } as const;
/** ESTIMATED STATUS UPDATE DELAY, milliseconds: while it runs, and when it has ended. */
const ASK_AGAIN_MS = 100;
const ENDED = 0xfffffffe;

export const RECEIVE_ROD_TOKEN_INFORMATION = command({
  name: 'RECEIVE ROD TOKEN INFORMATION',
  opcode: 0x84,
  serviceAction: 0x07,
  cite: 'SPC-4 §6.29',
  cdbBytes: 16,
  cdb: { listIdentifier: u32(2), allocationLength: u32(10) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  run({ server, nexus }, { listIdentifier, allocationLength }): Outcome {
    const operation = operationsOf(nexus.tokenOperations, server.unit).get(listIdentifier);
    if (operation === undefined) return invalidCdbField(2);
    return truncated(information(operation, server.modes.descriptorSense), allocationLength);
  },
});

function information(operation: TokenOperation, descriptorSense: boolean): Uint8Array {
  const { serviceAction, state, immediate, blocks, failure, token } = operation;
  const sense =
    (failure === undefined ? undefined : failed(failure, descriptorSense).sense) ?? new Uint8Array(0);
  const senseField = new Uint8Array(Math.ceil(sense.byteLength / SENSE_ALIGNMENT) * SENSE_ALIGNMENT);
  senseField.set(sense);
  const header = new Uint8Array(HEADER_BYTES);
  const view = viewOf(header);
  header[4] = serviceAction;
  header[5] = STATUS_OF[state === 'running' ? (immediate ? 'background' : 'foreground') : state];
  view.setUint32(8, state === 'running' ? ASK_AGAIN_MS : ENDED);
  header[12] = failure === undefined ? Status.GOOD : Status.CHECK_CONDITION;
  header[13] = senseField.byteLength;
  header[14] = sense.byteLength;
  header[15] = LOGICAL_BLOCKS;
  view.setBigUint64(16, BigInt(blocks));
  const tokens = token === undefined ? new Uint8Array(0) : descriptor(token);
  const whole = concatenated(header, senseField, u32Bytes(tokens.byteLength), tokens);
  viewOf(whole).setUint32(0, whole.byteLength - 4);
  return whole;
}

/** ROD token descriptor: it belongs to the first, and only, copy (SPC-4 Table 248). */
function descriptor(token: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + ROD_TOKEN_BYTES);
  bytes.set(token, 2);
  return bytes;
}
