/** What libiscsi's own tools find when they discover the target, log in and ask a unit what it is. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Server, startServer } from '../support/server.ts';
import { output } from './tools.ts';

const VPD_DEVICE_IDENTIFICATION = '0x83';
const VPD_BLOCK_LIMITS = '0xb0';
const VPD_BLOCK_DEVICE_CHARACTERISTICS = '0xb1';
const VPD_LOGICAL_BLOCK_PROVISIONING = '0xb2';

let server: Server;

/** The tool takes decimal numbers only. */
const page = (code: string): string[] => ['-e', '1', '-c', String(Number(code))];

beforeAll(async () => {
  server = await startServer({ args: ['--init', 'disk0:64M'] });
  await server.cli('lun', 'create', 'disk1', '--size', '32M', '--block-size', '4096');
  await server.cli('lun', 'create', 'disk2', '--size', '16M', '--removable', '--read-only');
}, 120_000);

afterAll(async () => {
  expect(await server.stop()).toMatchObject({ code: 0 });
});

describe("libiscsi's tools and the server", () => {
  test('iscsi-ls finds the target, its portal and every LUN with its size', async () => {
    const listed = await output('iscsi-ls', ['-s', `iscsi://127.0.0.1:${server.port}`]);
    const lines = listed.trim().split('\n');
    expect(lines[0]).toBe(`Target:${server.target} Portal:127.0.0.1:${server.port},1`);
    // The tool counts up to the last block, so it rounds a mebibyte away.
    expect(lines.slice(1)).toEqual([
      'Lun:0    Type:DIRECT_ACCESS (Size:63M)',
      'Lun:1    Type:DIRECT_ACCESS (Size:31M)',
      'Lun:2    Type:DIRECT_ACCESS (Size:15M)',
    ]);
  });

  test('iscsi-inq shows a disk with its vendor, product and the standards it follows', async () => {
    const said = await output('iscsi-inq', [server.url(0)]);
    expect(said).toContain('Peripheral Qualifier:CONNECTED');
    expect(said).toContain('Peripheral Device Type:DIRECT_ACCESS');
    expect(said).toContain('Removable:0');
    expect(said).toContain('CmdQue:1');
    expect(said).toMatch(/^Vendor:\S[ -~]{7}$/m);
    expect(said).toMatch(/^Product:\S[ -~]{15}$/m);
    expect(said).toMatch(/^Version Descriptor:0960 iSCSI$/m);
    expect(await output('iscsi-inq', [server.url(2)])).toContain('Removable:1');
  });

  test('the list of VPD pages names what Linux, Windows and VMware ask for', async () => {
    const said = await output('iscsi-inq', ['-e', '1', '-c', '0', server.url(0)]);
    for (const code of ['00', '80', '83', '86', 'b0', 'b1', 'b2']) expect(said).toMatch(`0x${code}`);
  });

  test('each unit has an NAA name and a serial number of its own', async () => {
    const names = [0, 1, 2].map(async (lun) => {
      const said = await output('iscsi-inq', [...page(VPD_DEVICE_IDENTIFICATION), server.url(lun)]);
      expect(said).toContain('Designator Type:(3) NAA');
      return await output('iscsi-inq', [...page('0x80'), server.url(lun)]);
    });
    const serials = (await Promise.all(names)).map((said) => /Unit Serial Number:\[(.+)\]/.exec(said)?.[1]);
    expect(new Set(serials).size).toBe(3);
    expect(serials).not.toContain(undefined);
  });

  test('the limits and the provisioning pages say that the unit is thin, in units of 4 KiB', async () => {
    const limits = await output('iscsi-inq', [...page(VPD_BLOCK_LIMITS), server.url(0)]);
    expect(limits).toMatch(/^optimal unmap granularity:8$/m);
    expect(limits).toMatch(/^maximum unmap lba count:[1-9]\d*$/m);
    expect(limits).toMatch(/^maximum compare and write length:[1-9]\d*$/m);
    const provisioning = await output('iscsi-inq', [...page(VPD_LOGICAL_BLOCK_PROVISIONING), server.url(0)]);
    for (const line of ['lbpu:1', 'lbpws:1', 'lbpws10:1', 'lbprz:1', 'provisioning type:2']) {
      expect(provisioning.split('\n')).toContain(line);
    }
    const medium = await output('iscsi-inq', [...page(VPD_BLOCK_DEVICE_CHARACTERISTICS), server.url(0)]);
    expect(medium).toContain('Medium Rotation Rate:');
  });

  test('iscsi-readcapacity16 reads last block, block length and provisioning', async () => {
    const small = await output('iscsi-readcapacity16', [server.url(0)]);
    expect(small).toContain('RETURNED LOGICAL BLOCK ADDRESS:131071');
    expect(small).toContain('LOGICAL BLOCK LENGTH IN BYTES:512');
    expect(small).toContain('LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT:3');
    expect(small).toContain('LBPME:1 LBPRZ:1');
    expect(small).toContain(`Total size:${64 * 1024 * 1024}`);
    const large = await output('iscsi-readcapacity16', [server.url(1)]);
    expect(large).toContain('RETURNED LOGICAL BLOCK ADDRESS:8191');
    expect(large).toContain('LOGICAL BLOCK LENGTH IN BYTES:4096');
    expect(large).toContain('LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT:0');
  });

  test('a LUN that is not there is refused, and others go on being served', async () => {
    const said = await output('iscsi-readcapacity16', [server.url(7)], 10);
    expect(said).toMatch(/LOGICAL_UNIT_NOT_SUPPORTED|not supported/i);
    expect(await output('iscsi-readcapacity16', ['-s', server.url(0)])).toBe(`${64 * 1024 * 1024}\n`);
  });
});
