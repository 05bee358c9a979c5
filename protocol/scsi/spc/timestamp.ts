/**
 * REPORT and SET TIMESTAMP (SPC-4 §5.2, §6.38, §6.46). A timestamp begins as the host's clock and goes on
 * from whatever an initiator sets it to, until the server ends.
 */
import { u32 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { DONE, type Outcome, PARAMETER_LIST_LENGTH_ERROR, received, truncated } from '../outcome.ts';
import { concatenated, u16Bytes, u64Bytes, viewOf } from '../parameter-data.ts';
import { Sense } from '../sense.ts';

/** TIMESTAMP ORIGIN (SPC-4 Table 52). */
const Origin = { SET_TIMESTAMP: 2, OTHER_METHODS: 3 } as const;
const PARAMETER_BYTES = 12;
const TIMESTAMP_BYTE = 4;

export const REPORT_TIMESTAMP = command({
  name: 'REPORT TIMESTAMP',
  opcode: 0xa3,
  serviceAction: 0x0f,
  cite: 'SPC-4 §6.38',
  cdbBytes: 12,
  cdb: { allocationLength: u32(6) },
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'conflict',
  run({ target, server }, { allocationLength }) {
    const { timestampOffsetMs } = server;
    const origin = timestampOffsetMs === undefined ? Origin.OTHER_METHODS : Origin.SET_TIMESTAMP;
    const milliseconds = Math.max(0, target.nowMs() + (timestampOffsetMs ?? 0));
    const data = concatenated(
      u16Bytes(PARAMETER_BYTES - 2),
      Uint8Array.of(origin, 0),
      u64Bytes(milliseconds).subarray(2),
      u16Bytes(0),
    );
    return truncated(data, allocationLength);
  },
});

export const SET_TIMESTAMP = command({
  name: 'SET TIMESTAMP',
  opcode: 0xa4,
  serviceAction: 0x0f,
  cite: 'SPC-4 §6.46',
  cdbBytes: 12,
  cdb: { parameterListLength: u32(6) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  run({ target, server, nexus, task }, { parameterListLength }): Outcome {
    if (parameterListLength === 0) return DONE;
    if (parameterListLength < PARAMETER_BYTES || task.dataOut.byteLength < PARAMETER_BYTES)
      return PARAMETER_LIST_LENGTH_ERROR;
    const view = viewOf(task.dataOut);
    const milliseconds = view.getUint16(TIMESTAMP_BYTE) * 2 ** 32 + view.getUint32(TIMESTAMP_BYTE + 2);
    server.timestampOffsetMs = milliseconds - target.nowMs();
    server.raise(Sense.TIMESTAMP_CHANGED, nexus);
    return received(parameterListLength);
  },
});
