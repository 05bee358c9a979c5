/**
 * WRITE BUFFER and READ BUFFER, their echo modes only (SPC-4 §6.18, §6.49): a nexus gets back the bytes that
 * it sent, to test the way there. Each nexus has an echo buffer of its own at each unit.
 */
import { bits, u8, u24 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { ECHO_BUFFER_BYTES } from '../limits.ts';
import {
  checkCondition,
  invalidCdbField,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  received,
  truncated,
} from '../outcome.ts';
import { concatenated, u16Bytes } from '../parameter-data.ts';
import { Sense } from '../sense.ts';

/** MODE field (SPC-4 Tables 244 and 368). */
const BufferMode = { ECHO: 0x0a, ECHO_DESCRIPTOR: 0x0b } as const;

const LENGTH_BYTE = 6;
/** Ignored in the echo modes (SPC-4 §6.18.7). */
const IGNORED = { bufferId: u8(2), bufferOffset: u24(3) };

export const WRITE_BUFFER = command({
  name: 'WRITE BUFFER',
  opcode: 0x3b,
  cite: 'SPC-4 §6.49',
  cdbBytes: 10,
  cdb: { mode: bits(1, 4, 0), ...IGNORED, parameterListLength: u24(LENGTH_BYTE) },
  refused: { modeSpecific: bits(1, 7, 5) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  runsIn: 'unavailable',
  run({ server, nexus, task }, { mode, parameterListLength }): Outcome {
    if (mode !== BufferMode.ECHO) return invalidCdbField(1, 4);
    if (parameterListLength > ECHO_BUFFER_BYTES) return invalidCdbField(LENGTH_BYTE);
    if (task.dataOut.byteLength < parameterListLength) return PARAMETER_LIST_LENGTH_ERROR;
    nexus.echoes.set(server, task.dataOut.slice(0, parameterListLength));
    return received(parameterListLength);
  },
});

export const READ_BUFFER = command({
  name: 'READ BUFFER',
  opcode: 0x3c,
  cite: 'SPC-4 §6.18',
  cdbBytes: 10,
  cdb: { mode: bits(1, 4, 0), ...IGNORED, allocationLength: u24(LENGTH_BYTE) },
  refused: { modeSpecific: bits(1, 7, 5) },
  needsMedium: false,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  runsIn: 'unavailable',
  run({ server, nexus }, { mode, allocationLength }): Outcome {
    if (mode === BufferMode.ECHO_DESCRIPTOR) {
      const descriptor = concatenated(Uint8Array.of(0, 0), u16Bytes(ECHO_BUFFER_BYTES));
      return truncated(descriptor, allocationLength);
    }
    if (mode !== BufferMode.ECHO) return invalidCdbField(1, 4);
    const echo = nexus.echoes.get(server);
    return echo === undefined
      ? checkCondition(Sense.COMMAND_SEQUENCE_ERROR)
      : truncated(echo, allocationLength);
  },
});
