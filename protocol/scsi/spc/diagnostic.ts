/** SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-4 §6.42, §6.28). There is one diagnostic page: 00h. */
import { bit, bits, u8, u16 } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { command, type Request } from '../command.ts';
import {
  checkCondition,
  DONE,
  invalidCdbField,
  invalidParameter,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  received,
  truncated,
} from '../outcome.ts';
import { SelfTestCode } from '../self-test.ts';
import { Sense } from '../sense.ts';

const PAGE_HEADER_BYTES = 4;
const SUPPORTED_DIAGNOSTIC_PAGES = 0x00;

interface Asked {
  readonly selfTestCode: number;
  readonly pageFormat: boolean;
  readonly selfTest: boolean;
  readonly parameterListLength: number;
}

function sendDiagnostic(request: Request, asked: Asked): MaybePromise<Outcome> {
  const { selfTestCode, selfTest, parameterListLength } = asked;
  if (!selfTest && selfTestCode === 0) return takePage(request, asked);
  // A self-test has no parameters, and SELFTEST says which one by itself (SPC-4 Table 285).
  if (parameterListLength !== 0) return invalidCdbField(3);
  if (selfTest && selfTestCode !== 0) return invalidCdbField(1, 7);
  switch (selfTestCode) {
    case SelfTestCode.DEFAULT:
    case SelfTestCode.FOREGROUND_SHORT:
      return runSelfTest(request, selfTestCode);
    case SelfTestCode.BACKGROUND_SHORT:
      // It is answered at once, and its result is found in log page 10h.
      void runSelfTest(request, selfTestCode);
      return DONE;
    default:
      return invalidCdbField(1, 7);
  }
}

async function runSelfTest({ server, target }: Request, code: number): Promise<Outcome> {
  const unready = server.notReady();
  if (unready !== undefined) return unready;
  const { failedLba } = await server.selfTests.run(server.device, code, target.nowMs() - server.beganMs);
  return failedLba === undefined ? DONE : checkCondition(Sense.LOGICAL_UNIT_FAILED_SELF_TEST);
}

function takePage({ task }: Request, { pageFormat, parameterListLength }: Asked): Outcome {
  if (parameterListLength === 0) return DONE;
  if (!pageFormat) return invalidCdbField(1, 4);
  const list = task.dataOut.subarray(0, parameterListLength);
  if (list.byteLength < PAGE_HEADER_BYTES) return PARAMETER_LIST_LENGTH_ERROR;
  if (list[0] !== SUPPORTED_DIAGNOSTIC_PAGES) return invalidParameter(0);
  return received(parameterListLength);
}

export const SEND_DIAGNOSTIC = command({
  name: 'SEND DIAGNOSTIC',
  opcode: 0x1d,
  cite: 'SPC-4 §6.42',
  cdbBytes: 6,
  // Tests take nothing offline: DEVOFFL and UNITOFFL allow what is not needed.
  cdb: {
    selfTestCode: bits(1, 7, 5),
    pageFormat: bit(1, 4),
    selfTest: bit(1, 2),
    deviceOffline: bit(1, 1),
    unitOffline: bit(1, 0),
    parameterListLength: u16(3),
  },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  runsIn: 'standby',
  run: sendDiagnostic,
});

export const RECEIVE_DIAGNOSTIC_RESULTS = command({
  name: 'RECEIVE DIAGNOSTIC RESULTS',
  opcode: 0x1c,
  cite: 'SPC-4 §6.28',
  cdbBytes: 6,
  cdb: { pageCodeValid: bit(1, 0), pageCode: u8(2), allocationLength: u16(3) },
  needsMedium: false,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  runsIn: 'standby',
  run(_request, { pageCodeValid, pageCode, allocationLength }): Outcome {
    if (pageCodeValid && pageCode !== SUPPORTED_DIAGNOSTIC_PAGES) return invalidCdbField(2);
    const page = Uint8Array.of(SUPPORTED_DIAGNOSTIC_PAGES, 0, 0, 1, SUPPORTED_DIAGNOSTIC_PAGES);
    return truncated(page, allocationLength);
  },
});
