import { bit, u8, u16 } from 'node-iscsi-pdu/fields';
import { command, type TargetFacts } from '../command.ts';
import type { DeviceServer } from '../device-server.ts';
import { invalidCdbField, truncated } from '../outcome.ts';
import { asciiField, u16Bytes } from '../parameter-data.ts';
import { supportedPages, vpdPage } from './vpd.ts';

/** PERIPHERAL QUALIFIER 011b and DEVICE TYPE 1Fh: no unit can be here (SPC-4 §6.6.2). */
const NO_UNIT = 0x7f;

const STANDARD_INQUIRY_BYTES = 96;
const REMOVABLE_MEDIUM = 0x80;
/** SPC-4. */
const VERSION = 0x06;
/** HISUP, as LUNs above 255 use another addressing method, and RESPONSE DATA FORMAT 2. */
const HIERARCHICAL_FORMAT_2 = 0x12;
/** TPGS 11b: target port groups are reported, and may be set by initiators. */
const IMPLICIT_AND_EXPLICIT_ALUA = 0x30;
/** 3PC: there is a copy manager. */
const THIRD_PARTY_COPY = 0x08;
const COMMAND_QUEUING = 0x02;

/** VERSION DESCRIPTORs (SPC-4 Table 148): SAM-5, SPC-4, SBC-3, iSCSI, no version claimed. */
const VERSION_DESCRIPTORS = [0x00a0, 0x0460, 0x04c0, 0x0960];

/** Standard INQUIRY data (SPC-4 §6.6.2). */
export function standardInquiry({ product }: TargetFacts, server: DeviceServer | undefined): Uint8Array {
  const data = new Uint8Array(STANDARD_INQUIRY_BYTES);
  data[0] = server === undefined ? NO_UNIT : 0x00;
  data[1] = server?.unit.removable === true ? REMOVABLE_MEDIUM : 0;
  data[2] = VERSION;
  data[3] = HIERARCHICAL_FORMAT_2;
  data[4] = STANDARD_INQUIRY_BYTES - 5;
  data[5] = IMPLICIT_AND_EXPLICIT_ALUA | THIRD_PARTY_COPY;
  data[7] = COMMAND_QUEUING;
  data.set(asciiField(product.vendor, 8), 8);
  data.set(asciiField(product.product, 16), 16);
  data.set(asciiField(product.revision, 4), 32);
  VERSION_DESCRIPTORS.forEach((descriptor, i) => {
    data.set(u16Bytes(descriptor), 58 + 2 * i);
  });
  return data;
}

export const INQUIRY = command({
  name: 'INQUIRY',
  opcode: 0x12,
  cite: 'SPC-4 §6.6',
  cdbBytes: 6,
  cdb: { enableVitalProductData: bit(1, 0), pageCode: u8(2), allocationLength: u16(3) },
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'allowed',
  runsInSanitize: true,
  runsIn: 'unavailable',
  ignoresAttention: true,
  run({ target, server, nexus }, { enableVitalProductData, pageCode, allocationLength }) {
    if (!enableVitalProductData) {
      if (pageCode !== 0) return invalidCdbField(2);
      return truncated(standardInquiry(target, server), allocationLength);
    }
    const page = vpdPage(pageCode, { target, server, nexus });
    return page === undefined ? invalidCdbField(2) : truncated(page, allocationLength);
  },
  absent({ target }, { enableVitalProductData, pageCode, allocationLength }) {
    if (pageCode !== 0) return invalidCdbField(2);
    const data = enableVitalProductData
      ? supportedPages(NO_UNIT, [0x00])
      : standardInquiry(target, undefined);
    return truncated(data, allocationLength);
  },
});
