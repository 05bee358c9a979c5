// What one initiator is shown and does to others, through the whole target: LUN masks (whose LUNs are the
// only ones there are for it), CLEAR TASK SET, resets that reach nexuses of other targets (SAM-5 §6.3,
// §7.3 to §7.7), and a cold reset.
import {
  TaskManagementFunction as Code,
  encodeLun,
  encodeText,
  LoginRequest,
  Opcode,
  ScsiCommand,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { DEFAULT_ISID, Initiator, RawPeer } from '../../support/initiator/index.ts';
import { settle } from '../../support/pool-world.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:first';
const SECOND = 'iqn.2026-11.io.snaplun:second';
const REPORT_LUNS = Uint8Array.of(0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0);
const TUR = new Uint8Array(6);
const RESERVE_6 = Uint8Array.of(0x16, 0, 0, 0, 0, 0);
const WRITE_8_BLOCKS = Uint8Array.of(0x2a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0);

const initiatorName = (name: string): string => `iqn.2026-01.test:${name}`;

/** LUNs 0, 1 and 2 at the first target; LUN 0's disk is LUN 0 of the second too. */
async function furnished(): Promise<WholeTarget> {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  for (const name of ['a', 'b', 'c']) await target.createLun({ name, sizeBytes: 1 << 20, blockBytes: 512 });
  const { targets } = target.front;
  await targets.create(SECOND, undefined);
  await targets.change(targets.planMap({ vlun: 'a' }, { target: SECOND }).documents);
  return target;
}

async function setMask(target: WholeTarget, masks: Record<string, readonly number[]>): Promise<void> {
  const { targets } = target.front;
  const named = Object.entries(masks).map(([name, luns]) => [initiatorName(name), luns] as const);
  const document = { ...targets.document(TARGET), lunMasks: Object.fromEntries(named) };
  await targets.change({ [targets.get(TARGET).documentName]: document });
  await settle();
}

interface Guest {
  readonly initiator: Initiator;
  readonly asyncCodes: string[];
  readonly verdict: (cdb: Uint8Array, lun?: number) => Promise<string>;
  readonly luns: () => Promise<number[]>;
}

async function guest(target: WholeTarget, name: string, targetName = TARGET): Promise<Guest> {
  const asyncCodes: string[] = [];
  const initiator = new Initiator(target.connect(), {
    onAsync: (_, data) => asyncCodes.push(Buffer.from(data.subarray(14, 16)).toString('hex')),
  });
  await initiator.login({ targetName, initiatorName: initiatorName(name) });
  const verdict = async (cdb: Uint8Array, lun = 0): Promise<string> => {
    const { status, sense } = await initiator.command({ cdb, lun, dataInBytes: 256 });
    return status === 0
      ? 'good'
      : status === 2
        ? Buffer.from(sense.subarray(12, 14)).toString('hex')
        : `${status}`;
  };
  const luns = async (): Promise<number[]> => {
    const { dataIn } = await initiator.command({ cdb: REPORT_LUNS, dataInBytes: 256 });
    const count = new DataView(dataIn.buffer, dataIn.byteOffset).getUint32(0) / 8;
    return Array.from({ length: count }, (_, nth) => dataIn[8 + 8 * nth + 1] ?? 0);
  };
  for (const lun of await luns()) while ((await verdict(TUR, lun)) !== 'good');
  return { initiator, asyncCodes, verdict, luns };
}

/** A session with a write under way whose data never comes. */
async function stuck(target: WholeTarget, name: string, targetName = TARGET): Promise<RawPeer> {
  const peer = new RawPeer(target.connect());
  const data = encodeText([
    ['InitiatorName', initiatorName(name)],
    ['TargetName', targetName],
  ]);
  peer.send(LoginRequest, { transit: true, csg: 1, nsg: 3, isid: DEFAULT_ISID, cmdSN: 1 }, { data });
  await settle();
  peer.send(ScsiCommand, {
    ...{ final: true, write: true, attr: 1, lun: encodeLun(0), initiatorTaskTag: 77, cmdSN: 1 },
    ...{ expectedDataTransferLength: 4096, cdb: WRITE_8_BLOCKS },
  });
  await settle();
  peer.frames.length = 0;
  return peer;
}

describe('an initiator that is shown some LUNs', () => {
  test('has no others, under any address, and nobody else is concerned', async () => {
    const target = await furnished();
    await setMask(target, { masked: [1] });
    const [masked, other] = [await guest(target, 'masked'), await guest(target, 'other')];
    expect(await masked.luns()).toEqual([1]);
    expect(await other.luns()).toEqual([0, 1, 2]);
    expect([
      await masked.verdict(TUR, 1),
      await masked.verdict(TUR, 0),
      await masked.verdict(TUR, 2),
    ]).toEqual([...['good', '2500', '2500']]);
    // INQUIRY answers where there is no unit: peripheral qualifier 3 (SPC-4 §6.6.2).
    const { dataIn } = await masked.initiator.command({
      ...{ cdb: Uint8Array.of(0x12, 0, 0, 0, 36, 0), lun: 2, dataInBytes: 36 },
    });
    expect(dataIn[0]).toBe(0x7f);
    expect(await masked.initiator.taskManagement(Code.LOGICAL_UNIT_RESET, { lun: 0 })).toBe(2);
    expect(await other.verdict(TUR, 0)).toBe('good');
  });

  test('is told when it is shown others, and lets go of what it held there', async () => {
    const target = await furnished();
    const [masked, other] = [await guest(target, 'masked'), await guest(target, 'other')];
    expect(await masked.verdict(RESERVE_6, 0)).toBe('good');
    expect(await other.verdict(TUR, 0)).toBe('24');
    await setMask(target, { masked: [1, 2] });
    expect([masked.asyncCodes, other.asyncCodes]).toEqual([['3f0e'], []]);
    expect([await other.verdict(TUR, 0), await other.verdict(TUR, 1)]).toEqual(['good', 'good']);
    expect([await masked.verdict(TUR, 1), await masked.verdict(TUR, 2)]).toEqual(['3f0e', 'good']);
    expect(await masked.luns()).toEqual([1, 2]);
    await setMask(target, { masked: [1, 2], other: [0] });
    expect([masked.asyncCodes.length, other.asyncCodes]).toEqual([1, ['3f0e']]);
    await setMask(target, {});
    expect(await masked.luns()).toEqual([0, 1, 2]);
  });

  test('hears nothing of units that come and go elsewhere, and may not end the sessions of others', async () => {
    const target = await furnished();
    await setMask(target, { masked: [1] });
    const [masked, other] = [await guest(target, 'masked'), await guest(target, 'other')];
    await target.createLun({ name: 'd', sizeBytes: 1 << 20, blockBytes: 512 });
    await settle();
    expect([masked.asyncCodes, other.asyncCodes]).toEqual([[], ['3f0e']]);
    expect(await masked.verdict(TUR, 1)).toBe('good');
    expect(await masked.initiator.taskManagement(Code.TARGET_COLD_RESET)).toBe(6);
    await other.luns();
    expect(await masked.initiator.taskManagement(Code.TARGET_WARM_RESET)).toBe(0);
    expect([await other.verdict(TUR, 1), await other.verdict(TUR, 0)]).toEqual(['2903', 'good']);
  });
});

describe('task management that reaches other nexuses', () => {
  test('CLEAR TASK SET tells those whose tasks it ended, and nobody else', async () => {
    const target = await furnished();
    const [asker, bystander] = [await guest(target, 'asker'), await guest(target, 'bystander')];
    const victim = await stuck(target, 'victim');
    expect(await asker.initiator.taskManagement(Code.CLEAR_TASK_SET, { lun: 0 })).toBe(0);
    victim.send(ScsiCommand, {
      final: true,
      attr: 1,
      lun: encodeLun(0),
      initiatorTaskTag: 78,
      cmdSN: 2,
      cdb: TUR,
    });
    await settle();
    const sense = victim.frames.map(({ data }) => Buffer.from(data.subarray(14, 16)).toString('hex'));
    // The power-on condition of the new nexus is older and comes first.
    expect(sense).toEqual(['2900']);
    victim.send(ScsiCommand, {
      final: true,
      attr: 1,
      lun: encodeLun(0),
      initiatorTaskTag: 79,
      cmdSN: 3,
      cdb: TUR,
    });
    await settle();
    expect(Buffer.from(victim.frames.at(-1)?.data.subarray(14, 16) ?? []).toString('hex')).toBe('2f00');
    expect([await bystander.verdict(TUR), await asker.verdict(TUR)]).toEqual(['good', 'good']);
  });

  test('LOGICAL UNIT RESET ends tasks that came through another target, and waits for them', async () => {
    const target = await furnished();
    const asker = await guest(target, 'asker');
    const away = await guest(target, 'away', SECOND);
    const victim = await stuck(target, 'victim', SECOND);
    expect(await asker.initiator.taskManagement(Code.LOGICAL_UNIT_RESET, { lun: 0 })).toBe(0);
    // The tag is free again: a command that has it is no duplicate.
    victim.send(ScsiCommand, {
      final: true,
      attr: 1,
      lun: encodeLun(0),
      initiatorTaskTag: 77,
      cmdSN: 2,
      cdb: TUR,
    });
    await settle();
    expect(victim.frames.map(({ opcode }) => opcode)).toEqual([Opcode.SCSI_RESPONSE]);
    expect(await away.verdict(TUR)).toBe('2903');
  });

  test('TARGET COLD RESET ends the sessions of its target, not those of another', async () => {
    const target = await furnished();
    const [asker, other] = [await guest(target, 'asker'), await guest(target, 'other')];
    const away = await guest(target, 'away', SECOND);
    expect(await asker.initiator.taskManagement(Code.TARGET_COLD_RESET)).toBe(0);
    await settle();
    expect([asker.initiator.closed, other.initiator.closed, away.initiator.closed]).toEqual([
      true,
      true,
      false,
    ]);
    expect(target.front.hub.sessions().length).toBe(1);
  });
});
