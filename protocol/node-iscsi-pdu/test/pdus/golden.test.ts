// Shows that every PDU is parsed from, and generated as, the bytes that the figures of RFC 7143 §11
// prescribe. The bytes are written by hand from the figures, one 4-byte word of the figure at a time, and
// never computed from the tables.

import {
  AsyncEvent,
  AsyncMessage,
  DataIn,
  DataOut,
  type Layout,
  LoginRequest,
  LoginResponse,
  LoginStage,
  LoginStatus,
  LogoutReason,
  LogoutRequest,
  LogoutResponse,
  LogoutResponseCode,
  NopIn,
  NopOut,
  PDUS,
  type PduDefinition,
  R2T,
  type RecordOf,
  Reject,
  RejectReason,
  ScsiCommand,
  ScsiResponse,
  ScsiResponseCode,
  SnackRequest,
  SnackType,
  TaskAttribute,
  TaskManagementFunction,
  TaskManagementRequest,
  TaskManagementResponse,
  TaskManagementResponseCode,
  TextRequest,
  TextResponse,
  writeHeader,
} from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { hex } from '../support/bytes.ts';

interface Golden {
  readonly name: string;
  readonly opcode: number;
  readonly check: () => void;
}

function golden<L extends Layout>(pdu: PduDefinition<L>, text: string, record: RecordOf<L>): Golden {
  const bytes = hex(text);
  const check = () => {
    expect(bytes.length).toBe(48);
    expect(pdu.decode(bytes)).toEqual(record);
    const written = new Uint8Array(48).fill(0xff);
    expect(writeHeader(pdu, record, written)).toBe(48);
    expect(written).toEqual(bytes);
  };
  return { name: pdu.name, opcode: pdu.opcode, check };
}

const LUN = hex('4123000000000000');
const NONE = { totalAHSLength: 0, dataSegmentLength: 0 };
const COUNTERS = { statSN: 0xa1a2a3a4, expCmdSN: 0xb1b2b3b4, maxCmdSN: 0xc1c2c3c4 };

const GOLDEN: readonly Golden[] = [
  golden(
    NopOut,
    `40800000 00000005 41230000 00000000 11223344 ffffffff 00000007 0000000a
     00000000 00000000 00000000 00000000`,
    {
      ...{ immediate: true, final: true, totalAHSLength: 0, dataSegmentLength: 5, lun: LUN },
      ...{ initiatorTaskTag: 0x11223344, targetTransferTag: 0xffffffff, cmdSN: 7, expStatSN: 10 },
    },
  ),
  // The SCSI Read (10) Command PDU whose digest RFC 7143 appendix A.4 gives.
  golden(
    ScsiCommand,
    `01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018
     28000000 00000000 02000000 00000000`,
    {
      ...{ immediate: false, final: true, read: true, write: false, attr: TaskAttribute.UNTAGGED, ...NONE },
      ...{ lun: new Uint8Array(8), initiatorTaskTag: 0x14000000, expectedDataTransferLength: 1024 },
      ...{ cmdSN: 0x14, expStatSN: 0x18, cdb: hex('28000000000000000200000000000000') },
    },
  ),
  golden(
    ScsiCommand,
    `41210000 06010203 00070000 00000000 deadbeef 00080000 fffffffe ffffffff
     7f112233 44556677 8899aabb ccddeeff`,
    {
      ...{ immediate: true, final: false, read: false, write: true, attr: TaskAttribute.SIMPLE },
      ...{ totalAHSLength: 6, dataSegmentLength: 0x010203, lun: hex('0007000000000000') },
      ...{ initiatorTaskTag: 0xdeadbeef, expectedDataTransferLength: 0x80000, cmdSN: 0xfffffffe },
      ...{ expStatSN: 0xffffffff, cdb: hex('7f11223344556677 8899aabbccddeeff') },
    },
  ),
  golden(
    TaskManagementRequest,
    `42810000 00000000 41230000 00000000 00000102 00000101 00000033 00000044
     00000032 00000055 00000000 00000000`,
    {
      ...{ immediate: true, final: true, function: TaskManagementFunction.ABORT_TASK, ...NONE, lun: LUN },
      ...{ initiatorTaskTag: 0x102, referencedTaskTag: 0x101, cmdSN: 0x33, expStatSN: 0x44 },
      ...{ refCmdSN: 0x32, expDataSN: 0x55 },
    },
  ),
  golden(
    LoginRequest,
    `43870000 000000c9 00023d01 02030000 00000009 00010000 00000001 00000000
     00000000 00000000 00000000 00000000`,
    {
      ...{ immediate: true, transit: true, continue: false, versionMax: 0, versionMin: 0 },
      ...{ csg: LoginStage.OPERATIONAL_NEGOTIATION, nsg: LoginStage.FULL_FEATURE_PHASE },
      ...{ totalAHSLength: 0, dataSegmentLength: 201, isid: hex('00023d010203'), tsih: 0 },
      ...{ initiatorTaskTag: 9, cid: 1, cmdSN: 1, expStatSN: 0 },
    },
  ),
  golden(
    TextRequest,
    `04800000 00000010 00000000 00000000 00000021 ffffffff 00000005 00000006
     00000000 00000000 00000000 00000000`,
    {
      ...{ immediate: false, final: true, continue: false, totalAHSLength: 0, dataSegmentLength: 16 },
      ...{
        lun: new Uint8Array(8),
        initiatorTaskTag: 0x21,
        targetTransferTag: 0xffffffff,
        cmdSN: 5,
        expStatSN: 6,
      },
    },
  ),
  golden(
    DataOut,
    `05800000 00010000 41230000 00000000 00000031 77777777 00000000 00000041
     00000000 00000003 00030000 00000000`,
    {
      ...{ final: true, totalAHSLength: 0, dataSegmentLength: 65536, lun: LUN, initiatorTaskTag: 0x31 },
      ...{ targetTransferTag: 0x77777777, expStatSN: 0x41, dataSN: 3, bufferOffset: 0x30000 },
    },
  ),
  golden(
    LogoutRequest,
    `46810000 00000000 00000000 00000000 00000051 00020000 00000061 00000071
     00000000 00000000 00000000 00000000`,
    {
      ...{ immediate: true, final: true, reasonCode: LogoutReason.CLOSE_CONNECTION, ...NONE },
      ...{ initiatorTaskTag: 0x51, cid: 2, cmdSN: 0x61, expStatSN: 0x71 },
    },
  ),
  golden(
    SnackRequest,
    `10830000 00000000 41230000 00000000 00000081 00000091 00000000 000000a1
     00000000 00000000 000000b1 000000c1`,
    {
      ...{ final: true, type: SnackType.R_DATA, ...NONE, lun: LUN, initiatorTaskTag: 0x81 },
      ...{ targetTransferTag: 0x91, expStatSN: 0xa1, begRun: 0xb1, runLength: 0xc1 },
    },
  ),
  golden(
    NopIn,
    `20800000 00000000 41230000 00000000 ffffffff 00000002 a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000000 00000000 00000000`,
    { final: true, ...NONE, lun: LUN, initiatorTaskTag: 0xffffffff, targetTransferTag: 2, ...COUNTERS },
  ),
  golden(
    ScsiResponse,
    `219a0102 00000014 00000000 00000000 00000031 00000032 a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000033 00000034 00000035`,
    {
      ...{ final: true, bidirectionalReadResidualOverflow: true, bidirectionalReadResidualUnderflow: true },
      ...{ residualOverflow: false, residualUnderflow: true, response: ScsiResponseCode.TARGET_FAILURE },
      ...{ status: 2, totalAHSLength: 0, dataSegmentLength: 20, initiatorTaskTag: 0x31, snackTag: 0x32 },
      ...{ ...COUNTERS, expDataSN: 0x33, bidirectionalReadResidualCount: 0x34, residualCount: 0x35 },
    },
  ),
  golden(
    TaskManagementResponse,
    `22800500 00000000 00000000 00000000 00000102 00000000 a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000000 00000000 00000000`,
    {
      ...{ final: true, response: TaskManagementResponseCode.FUNCTION_NOT_SUPPORTED, ...NONE },
      ...{ initiatorTaskTag: 0x102, ...COUNTERS },
    },
  ),
  golden(
    LoginResponse,
    `23440000 00000000 00023d01 02030042 00000009 00000000 a1a2a3a4 b1b2b3b4
     c1c2c3c4 02010000 00000000 00000000`,
    {
      ...{ transit: false, continue: true, csg: 1, nsg: 0, versionMax: 0, versionActive: 0, ...NONE },
      ...{ isid: hex('00023d010203'), tsih: 0x42, initiatorTaskTag: 9, ...COUNTERS },
      ...{ status: LoginStatus.AUTHENTICATION_FAILURE },
    },
  ),
  golden(
    TextResponse,
    `24400000 00000400 00000000 00000000 00000021 00000022 a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000000 00000000 00000000`,
    {
      ...{ final: false, continue: true, totalAHSLength: 0, dataSegmentLength: 1024, lun: new Uint8Array(8) },
      ...{ initiatorTaskTag: 0x21, targetTransferTag: 0x22, ...COUNTERS },
    },
  ),
  golden(
    DataIn,
    `25830008 00000200 41230000 00000000 00000031 ffffffff a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000001 00001000 00000e00`,
    {
      ...{ final: true, acknowledge: false, residualOverflow: false, residualUnderflow: true },
      ...{ statusPresent: true, status: 8, totalAHSLength: 0, dataSegmentLength: 512, lun: LUN },
      ...{ initiatorTaskTag: 0x31, targetTransferTag: 0xffffffff, ...COUNTERS, dataSN: 1 },
      ...{ bufferOffset: 0x1000, residualCount: 0xe00 },
    },
  ),
  golden(
    LogoutResponse,
    `26800200 00000000 00000000 00000000 00000051 00000000 a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000000 00020014 00000000`,
    {
      ...{ final: true, response: LogoutResponseCode.RECOVERY_NOT_SUPPORTED, ...NONE },
      ...{ initiatorTaskTag: 0x51, ...COUNTERS, time2Wait: 2, time2Retain: 20 },
    },
  ),
  golden(
    R2T,
    `31800000 00000000 41230000 00000000 00000031 00000032 a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000002 00010000 00020000`,
    {
      ...{ final: true, ...NONE, lun: LUN, initiatorTaskTag: 0x31, targetTransferTag: 0x32, ...COUNTERS },
      ...{ r2tSN: 2, bufferOffset: 0x10000, desiredDataTransferLength: 0x20000 },
    },
  ),
  golden(
    AsyncMessage,
    `32800000 00000000 41230000 00000000 ffffffff 00000000 a1a2a3a4 b1b2b3b4
     c1c2c3c4 01070001 00020003 00000000`,
    {
      ...{ final: true, ...NONE, lun: LUN, initiatorTaskTag: 0xffffffff, ...COUNTERS },
      ...{
        asyncEvent: AsyncEvent.LOGOUT_REQUESTED,
        asyncVCode: 7,
        parameter1: 1,
        parameter2: 2,
        parameter3: 3,
      },
    },
  ),
  golden(
    Reject,
    `3f800200 00000030 00000000 00000000 ffffffff 00000000 a1a2a3a4 b1b2b3b4
     c1c2c3c4 00000004 00000000 00000000`,
    {
      ...{ final: true, reason: RejectReason.DATA_DIGEST_ERROR, totalAHSLength: 0, dataSegmentLength: 48 },
      ...{ initiatorTaskTag: 0xffffffff, ...COUNTERS, dataSN: 4 },
    },
  ),
];

test.each(GOLDEN)('$name is parsed from and generated as the bytes of its figure', ({ check }) => check());

test('every PDU has its golden bytes', () => {
  expect([...new Set(GOLDEN.map(({ opcode }) => opcode))]).toEqual(PDUS.map(({ opcode }) => opcode));
});

/**
 * The first two bytes of a PDU written from an empty record: the opcode, and the bits that the figure prints
 * as 1.
 */
const FIXED: ReadonlyArray<readonly [PduDefinition, string]> = [
  [NopOut, '0080'],
  [ScsiCommand, '0100'],
  [TaskManagementRequest, '0280'],
  [LoginRequest, '4300'],
  [TextRequest, '0400'],
  [DataOut, '0500'],
  [LogoutRequest, '0680'],
  [SnackRequest, '1080'],
  [NopIn, '2080'],
  [ScsiResponse, '2180'],
  [TaskManagementResponse, '2280'],
  [LoginResponse, '2300'],
  [TextResponse, '2400'],
  [DataIn, '2500'],
  [LogoutResponse, '2680'],
  [R2T, '3180'],
  [AsyncMessage, '3280'],
  [Reject, '3f80'],
];

test.each(FIXED)('$name fixes the bits that its figure fixes, and writes zero for the rest', (pdu, start) => {
  const written = new Uint8Array(48).fill(0xff);
  pdu.encode({}, written);
  const tagged = pdu.opcode === 0x32 || pdu.opcode === 0x3f;
  expect(written).toEqual(
    hex(`${start}0000 ${'00'.repeat(12)} ${tagged ? 'ffffffff' : '00000000'} ${'00'.repeat(28)}`),
  );
});
