// Pins the exported names, so that one is added or lost only on purpose, and shows that the README lists each
// of them.

import { readFileSync } from 'node:fs';
import * as everything from 'node-iscsi-pdu';
import * as fields from 'node-iscsi-pdu/fields';
import * as lun from 'node-iscsi-pdu/lun';
import { expect, test } from 'vitest';

const FIELDS = `
bit bits compileLayout decodeFields describe encodeFields firstBitSet positionOf raw reservedMask
u16 u24 u32 u64 u8 usageBitmap`;
const LUN = 'FLAT_LUN_MAX LUN_BYTES PERIPHERAL_LUN_MAX decodeLun encodeLun parseLun';
const THE_REST = `
AHS_BYTES_MAX AhsType AsyncEvent AsyncMessage BHS_BYTES BIDIRECTIONAL_READ_LENGTH_AHS CountedMemory
DATA_SEGMENT_BYTES_MAX DIGEST_BYTES DataIn DataOut Deframer FRESH_BUFFERS ISCSI_VERSION IsidType LENGTHS
LoginRequest LoginResponse LoginStage LoginStatus LoginStatusClass LogoutReason LogoutRequest
LogoutResponse LogoutResponseCode NopIn NopOut Opcode PDUS PduError R2T RESERVED_TAG Reject RejectReason
ScsiCommand ScsiResponse ScsiResponseCode SnackRequest SnackType TEXT_KEY_BYTES_MAX TEXT_TOTAL_BYTES_MIN
TEXT_TOTAL_BYTES_WITH_AUTHENTICATION TEXT_VALUE_BYTES_MAX TaskAttribute TaskManagementFunction
TaskManagementRequest TaskManagementResponse TaskManagementResponseCode TextCollector TextRequest
TextResponse buildAhs crc32c decodeText definePdu encodePdu encodeText encodeTextSegments formatBase64
formatBoolean formatHex formatList formatRange paddedTo4 paddingOf parseAhs parseBinary parseBoolean
parseList parseNumber parseRange pduOfOpcode readDigest serialAdd serialCompare serialDistance
serialLess serialLessOrEqual serialNext wholeCdb writeDigest writeHeader`;

function names(text: string): string[] {
  return text.trim().split(/\s+/).sort();
}

test('the exported names are these', () => {
  expect(Object.keys(fields).sort()).toEqual(names(FIELDS));
  expect(Object.keys(lun).sort()).toEqual(names(LUN));
  expect(Object.keys(everything).sort()).toEqual(names(`${FIELDS} ${LUN} ${THE_REST}`));
});

test('the README lists every one', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const listed = new Set(readme.slice(readme.indexOf('## Exports')).match(/`\w+`/g));
  expect(Object.keys(everything).filter((name) => !listed.has(`\`${name}\``))).toEqual([]);
});
