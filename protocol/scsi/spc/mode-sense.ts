/** MODE SENSE(6) and (10) (SPC-4 §6.11, §6.12). */
import { bit, bits, u8, u16 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import type { DeviceServer } from '../device-server.ts';
import type { ModeParameters } from '../mode-parameters.ts';
import { type Failure, invalidCdbField, truncated } from '../outcome.ts';
import { concatenated, u16Bytes, u32Bytes, u64Bytes } from '../parameter-data.ts';

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;

const WRITE_PROTECTED = 0x80;
/** DPO and FUA are understood. */
const DPOFUA = 0x10;
const LONG_LBA = 0x01;
const HEADER_6_BYTES = 4;
const HEADER_10_BYTES = 8;

interface PageRequest {
  readonly pageControl: number;
  readonly pageCode: number;
  readonly subpageCode: number;
}

/**
 * The codes that are asked for (SPC-4 Table 157), as `ModeParameters` has them: one page or all, of each one
 * subpage or all. All pages with subpage 00h are those that are no subpages.
 */
function codesOf(modes: ModeParameters, { pageCode, subpageCode }: PageRequest): readonly number[] {
  if (pageCode !== ALL_PAGES && subpageCode !== ALL_SUBPAGES) return [(subpageCode << 8) | pageCode];
  return modes.codes().filter((code) => {
    const isPage = pageCode === ALL_PAGES || (code & 0xff) === pageCode;
    return isPage && (subpageCode === ALL_SUBPAGES || code >> 8 === subpageCode);
  });
}

/** The pages asked for; where the page is there, it is the subpage that is not. */
function pages(modes: ModeParameters, asked: PageRequest): Uint8Array | Failure {
  const { pageControl, pageCode } = asked;
  const found = codesOf(modes, asked).map((code) => modes.page(code, pageControl));
  const present = found.filter((page) => page !== undefined);
  if (present.length > 0 && present.length === found.length) return concatenated(...present);
  const isPage = pageCode === ALL_PAGES || modes.page(pageCode, pageControl) !== undefined;
  return isPage ? invalidCdbField(3) : invalidCdbField(2, 5);
}

function deviceSpecific({ writeProtected }: DeviceServer): number {
  return DPOFUA | (writeProtected ? WRITE_PROTECTED : 0);
}

/** One block descriptor (SBC-3 §6.4.2): the short form says FFFFFFFFh for what does not fit. */
export function blockDescriptor({ device }: DeviceServer, long: boolean): Uint8Array {
  const { capacityBlocks, blockBytes } = device.geometry;
  if (long) return concatenated(u64Bytes(capacityBlocks), u32Bytes(0), u32Bytes(blockBytes));
  return concatenated(u32Bytes(Math.min(capacityBlocks, 0xffffffff)), u32Bytes(blockBytes));
}

const PAGE_FIELDS = { pageControl: bits(2, 7, 6), pageCode: bits(2, 5, 0), subpageCode: u8(3) };

export const MODE_SENSE_6 = command({
  name: 'MODE SENSE(6)',
  opcode: 0x1a,
  cite: 'SPC-4 §6.11',
  cdbBytes: 6,
  cdb: { disableBlockDescriptors: bit(1, 3), ...PAGE_FIELDS, allocationLength: u8(4) },
  needsMedium: false,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  runsIn: 'standby',
  run({ server }, fields) {
    const body = pages(server.modes, fields);
    if (!(body instanceof Uint8Array)) return body;
    const descriptor = fields.disableBlockDescriptors ? new Uint8Array(0) : blockDescriptor(server, false);
    const length = HEADER_6_BYTES - 1 + descriptor.byteLength + body.byteLength;
    const header = Uint8Array.of(length, 0, deviceSpecific(server), descriptor.byteLength);
    return truncated(concatenated(header, descriptor, body), fields.allocationLength);
  },
});

export const MODE_SENSE_10 = command({
  name: 'MODE SENSE(10)',
  opcode: 0x5a,
  cite: 'SPC-4 §6.12',
  cdbBytes: 10,
  cdb: {
    longLbaAccepted: bit(1, 4),
    disableBlockDescriptors: bit(1, 3),
    ...PAGE_FIELDS,
    allocationLength: u16(7),
  },
  needsMedium: false,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  runsIn: 'standby',
  run({ server }, fields) {
    const body = pages(server.modes, fields);
    if (!(body instanceof Uint8Array)) return body;
    const { longLbaAccepted, disableBlockDescriptors } = fields;
    const descriptor = disableBlockDescriptors ? new Uint8Array(0) : blockDescriptor(server, longLbaAccepted);
    const length = HEADER_10_BYTES - 2 + descriptor.byteLength + body.byteLength;
    const isLong = longLbaAccepted && !disableBlockDescriptors;
    const header = concatenated(
      u16Bytes(length),
      Uint8Array.of(0, deviceSpecific(server), isLong ? LONG_LBA : 0, 0),
      u16Bytes(descriptor.byteLength),
    );
    return truncated(concatenated(header, descriptor, body), fields.allocationLength);
  },
});
