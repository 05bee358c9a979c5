// The items of UNH-IOL's full feature phase suite about how much data comes when, as scripts of our own, each
// with its clause in RFC 7143: immediate, unsolicited and solicited data, and all that may be wrong with it.
// From documents; not run in that laboratory.
import { DataIn, DataOut, RESERVED_TAG, ScsiResponse } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { BLOCK_BYTES, read, Script, senseOf, write } from './script.ts';

const UNEXPECTED_UNSOLICITED_DATA = '0c0c';
const INCORRECT_AMOUNT_OF_DATA = '0c0d';

const yesNo = (yes: boolean): string => (yes ? 'Yes' : 'No');

async function session(initialR2T: boolean, immediateData: boolean, first = 1024): Promise<Script> {
  return await Script.begin([
    ['InitialR2T', yesNo(initialR2T)],
    ['ImmediateData', yesNo(immediateData)],
    ['FirstBurstLength', String(first)],
    ['MaxBurstLength', '2048'],
    ['MaxOutstandingR2T', '2'],
  ]);
}

const pattern = (bytes: number, from = 0): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, at) => ((from + at) * 7 + ((from + at) >> 8)) & 0xff);

/** A target transfer tag's worth of data, in Data-Outs of so many bytes. */
async function deliver(script: Script, tag: number, bytesEach: number): Promise<void> {
  const { targetTransferTag, bufferOffset, desiredDataTransferLength: length } = script.takeR2T();
  for (let at = 0, dataSN = 0; at < length; at += bytesEach, dataSN += 1) {
    const data = pattern(Math.min(bytesEach, length - at), bufferOffset + at);
    const final = at + bytesEach >= length;
    const fields = {
      final,
      initiatorTaskTag: tag,
      targetTransferTag,
      dataSN,
      bufferOffset: bufferOffset + at,
    };
    await script.send(DataOut, fields, { data });
  }
}

async function holds(script: Script, blocks: number): Promise<void> {
  await script.command(read(0, blocks));
  const parts: Uint8Array[] = [];
  while (script.rest.length > 0) parts.push(script.take(DataIn).data);
  expect(Buffer.concat(parts).equals(pattern(blocks * BLOCK_BYTES))).toBe(true);
}

describe('each agreement about data that is not asked for (§4.2.5.2, §13.10, §13.11, §13.14)', () => {
  test('neither: all of it is asked for', async () => {
    const script = await session(true, false);
    const tag = await script.command(write(0, 4));
    await deliver(script, tag, 512);
    expect(script.take(ScsiResponse).status).toBe(0);
    await holds(script, 4);
  });

  test('immediate data only: the rest is asked for from where it ended', async () => {
    const script = await session(true, true);
    const tag = await script.command(write(0, 4), pattern(512));
    await deliver(script, tag, 1024);
    expect(script.take(ScsiResponse).status).toBe(0);
    await holds(script, 4);
  });

  test('unsolicited Data-Outs only: FirstBurstLength of them, then R2T', async () => {
    const script = await session(false, false);
    const tag = await script.command({ ...write(0, 4), final: false });
    const unsolicited = { initiatorTaskTag: tag, targetTransferTag: RESERVED_TAG };
    await script.send(DataOut, { ...unsolicited, dataSN: 0 }, { data: pattern(512) });
    expect(script.rest).toEqual([]);
    const last = { ...unsolicited, final: true, dataSN: 1, bufferOffset: 512 };
    await script.send(DataOut, last, { data: pattern(512, 512) });
    await deliver(script, tag, 300);
    expect(script.take(ScsiResponse).status).toBe(0);
    await holds(script, 4);
  });

  test('F with a command that may send more: what comes not by itself is asked for', async () => {
    const script = await session(false, true);
    const tag = await script.command(write(0, 4), pattern(512));
    await deliver(script, tag, 2048);
    expect(script.take(ScsiResponse).status).toBe(0);
    await holds(script, 4);
  });

  test('all of a short write with its command', async () => {
    const script = await session(false, true);
    await script.command(write(0, 2), pattern(1024));
    expect(script.take(ScsiResponse)).toMatchObject({ status: 0, residualUnderflow: false });
    await holds(script, 2);
  });
});

describe('solicited data', () => {
  test('MaxOutstandingR2T of them at once, R2TSN from 0, each answered with DataSN from 0 (§11.8.3, §11.7.5, §13.17)', async () => {
    const script = await session(true, false);
    const tag = await script.command(write(0, 12));
    const r2ts = [script.takeR2T(), script.takeR2T()];
    expect(script.rest).toEqual([]);
    expect(r2ts.map(({ r2tSN, bufferOffset }) => [r2tSN, bufferOffset])).toEqual([
      [0, 0],
      [1, 2048],
    ]);
    for (const [nth, { targetTransferTag, bufferOffset }] of r2ts.entries()) {
      for (const [dataSN, at] of [0, 1024].entries()) {
        const fields = { initiatorTaskTag: tag, targetTransferTag, dataSN, bufferOffset: bufferOffset + at };
        const data = pattern(1024, bufferOffset + at);
        await script.send(DataOut, { ...fields, final: dataSN === 1 }, { data });
      }
      if (nth === 0) expect(script.rest).toHaveLength(1);
    }
    const third = script.peer.frames[0]?.bhs;
    expect(third === undefined ? undefined : new DataView(third.buffer, third.byteOffset).getUint32(36)).toBe(
      2,
    );
    await deliver(script, tag, 2048);
    expect(script.take(ScsiResponse)).toMatchObject({ status: 0, expDataSN: 3 });
    await holds(script, 12);
  });
});

describe('data that breaks the agreement ends in CHECK CONDITION, and the session goes on (§7.9, §11.4.7.2)', () => {
  async function refused(script: Script, code: string): Promise<void> {
    const answer = script.take(ScsiResponse);
    expect([answer.status, senseOf(answer.data)]).toEqual([2, code]);
    expect(await script.ready()).toBe('good');
    await script.command(read(0, 1));
    expect(script.take(DataIn).data.every((byte) => byte === 0)).toBe(true);
  }

  test('immediate data where there is none (§13.11)', async () => {
    const script = await session(true, false);
    await script.command(write(0, 1), pattern(512));
    await refused(script, UNEXPECTED_UNSOLICITED_DATA);
  });

  test('Data-Outs announced although InitialR2T=Yes (§13.10)', async () => {
    const script = await session(true, true);
    const tag = await script.command({ ...write(0, 2), final: false }, pattern(512));
    const fields = { final: true, initiatorTaskTag: tag, targetTransferTag: RESERVED_TAG, bufferOffset: 512 };
    await script.send(DataOut, fields, { data: pattern(512) });
    await refused(script, UNEXPECTED_UNSOLICITED_DATA);
  });

  test('more than FirstBurstLength, with the command or behind it (§13.14)', async () => {
    const script = await session(false, true);
    await script.command(write(0, 4), pattern(1536));
    await refused(script, UNEXPECTED_UNSOLICITED_DATA);
    const tag = await script.command({ ...write(0, 4), final: false }, pattern(512));
    const fields = { final: true, initiatorTaskTag: tag, targetTransferTag: RESERVED_TAG, bufferOffset: 512 };
    await script.send(DataOut, fields, { data: pattern(1024, 512) });
    await refused(script, UNEXPECTED_UNSOLICITED_DATA);
  });

  test('F with less than FirstBurstLength of what was announced (§11.7.1, §11.4.7.2)', async () => {
    const script = await session(false, true);
    const tag = await script.command({ ...write(0, 4), final: false }, pattern(512));
    const fields = { final: true, initiatorTaskTag: tag, targetTransferTag: RESERVED_TAG, bufferOffset: 512 };
    await script.send(DataOut, fields, { data: pattern(256, 512) });
    await refused(script, INCORRECT_AMOUNT_OF_DATA);
  });

  test('more than the command expects (§11.3.4)', async () => {
    const script = await session(false, true);
    await script.command({ ...write(0, 1), expectedDataTransferLength: 512 }, pattern(1024));
    await refused(script, UNEXPECTED_UNSOLICITED_DATA);
  });

  test('a Data-Out that no command announced: answered once all that was asked for is in (§11.7)', async () => {
    const script = await session(false, true);
    const tag = await script.command(write(0, 4), pattern(512));
    const fields = { initiatorTaskTag: tag, targetTransferTag: RESERVED_TAG, bufferOffset: 512 };
    await script.send(DataOut, { ...fields, final: true }, { data: pattern(512, 512) });
    await deliver(script, tag, 2048);
    await refused(script, UNEXPECTED_UNSOLICITED_DATA);
  });
});
