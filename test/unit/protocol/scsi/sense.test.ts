// Sense data in both formats, against bytes put together by hand from SPC-4 Tables 26, 34, 37 and 48.
import { expect, test } from 'vitest';
import { encodeSense, Sense } from '../../../../protocol/scsi/sense.ts';
import { bench, cdb16, fixedSense, hexOf, ready } from './harness.ts';

test('fixed format', () => {
  expect(hexOf(encodeSense(Sense.INVALID_COMMAND_OPERATION_CODE, false))).toBe(
    '700005000000000a00000000200000000000',
  );
});

test('fixed format with INFORMATION and a field pointer to bit 4 of byte 1 of the CDB', () => {
  const detail = { information: 0x01020304, field: { of: 'cdb', byte: 1, bit: 4 } } as const;
  expect(hexOf(encodeSense(Sense.INVALID_FIELD_IN_CDB, false, detail))).toBe(
    'f00005010203040a00000000240000cc0001',
  );
});

test('fixed format leaves out INFORMATION that needs more than 32 bits', () => {
  const sense = encodeSense(Sense.UNRECOVERED_READ_ERROR, false, { information: 2 ** 32 });
  expect(hexOf(sense)).toBe('700003000000000a00000000110000000000');
});

test('descriptor format', () => {
  expect(hexOf(encodeSense(Sense.WRITE_PROTECTED, true))).toBe('7207270000000000');
});

test('descriptor format with INFORMATION and a field pointer into the parameter list', () => {
  const detail = { information: 2 ** 32 + 5, field: { of: 'parameter-list', byte: 0x0123 } } as const;
  expect(hexOf(encodeSense(Sense.INVALID_FIELD_IN_PARAMETER_LIST, true, detail))).toBe(
    '7205260000000014' + '000a80000000000100000005' + '0206000080012300',
  );
});

test('no two codes of the list say the same', () => {
  const codes = Object.values(Sense).map(({ key, asc, ascq }) => `${key}/${asc}/${ascq}`);
  expect(new Set(codes).size).toBe(codes.length);
});

test('D_SENSE changes the format of what the unit answers', async () => {
  const { a } = await ready();
  const page = [0x0a, 0x0a, 0x04, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0];
  const dataOut = Uint8Array.of(0, 0, 0, 0, ...page);
  expect((await a.run([0x15, 0x10, 0, 0, 16, 0], { dataOut })).status).toBe(0);
  const { sense } = await a.run(cdb16(0x88, -1n, 1));
  expect(hexOf(sense)).toBe('7205210000000000');
});

test('a LUN without a unit answers in fixed format, and three commands answer at all', async () => {
  const a = bench().initiator();
  expect(fixedSense(await a.run([0, 0, 0, 0, 0, 0], { lun: 7 }))).toMatchObject({
    key: 5,
    asc: 0x25,
    ascq: 0,
  });
  const sense = await a.run([0x03, 0, 0, 0, 18, 0], { lun: 7 });
  expect([sense.status, hexOf(sense.dataIn)]).toEqual([0, '700005000000000a00000000250000000000']);
  const inquiry = await a.run([0x12, 0, 0, 0, 96, 0], { lun: 7 });
  expect([inquiry.status, inquiry.dataIn?.[0]]).toEqual([0, 0x7f]);
  const luns = await a.run([0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0], { lun: 7 });
  expect([luns.status, hexOf(luns.dataIn)]).toEqual([0, '00000008000000000000000000000000']);
});
