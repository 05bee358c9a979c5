/** Vital product data pages (SPC-4 §7.8, SBC-3 §6.6), by page code. */
import { firstDifference } from '../../../lun/bytes.ts';
import type { LogicalUnit } from '../../../lun/logical-unit.ts';
import type { Product, Request } from '../command.ts';
import { thirdPartyCopy } from '../copy/copy-vpd.ts';
import { asciiField, concatenated, u16Bytes, u32Bytes, utf8Padded } from '../parameter-data.ts';
import { blockDeviceCharacteristics, blockLimits, logicalBlockProvisioning } from '../sbc/block-vpd.ts';
import { TARGET_PORT_GROUP, type TargetPort } from '../target-port.ts';

/** PERIPHERAL QUALIFIER 000b, direct access block device. */
const DIRECT_ACCESS = 0x00;

type Asked = Pick<Request, 'target' | 'server' | 'nexus'>;
type PageWriter = (asked: Asked) => Uint8Array;

const PAGES: ReadonlyMap<number, PageWriter> = new Map<number, PageWriter>([
  [0x00, () => Uint8Array.from(PAGES.keys())],
  [0x80, ({ server: { unit } }) => asciiField(unit.identity.serial, unit.identity.serial.length)],
  [0x83, deviceIdentification],
  [0x86, extendedInquiry],
  [0x87, modePagePolicy],
  [0x88, scsiPorts],
  [0x8f, ({ server }) => thirdPartyCopy(server.unit)],
  [0xb0, ({ server }) => blockLimits(server.unit)],
  [0xb1, () => blockDeviceCharacteristics()],
  [0xb2, ({ server }) => logicalBlockProvisioning(server.unit)],
]);

/** The whole page, or undefined when there is none of this code. */
export function vpdPage(code: number, asked: Asked): Uint8Array | undefined {
  const writer = PAGES.get(code);
  return writer === undefined ? undefined : framed(DIRECT_ACCESS, code, writer(asked));
}

/** Supported VPD Pages (SPC-4 §7.8.13). */
export function supportedPages(peripheral: number, codes: readonly number[]): Uint8Array {
  return framed(peripheral, 0x00, Uint8Array.from(codes));
}

function framed(peripheral: number, code: number, body: Uint8Array): Uint8Array {
  return concatenated(Uint8Array.of(peripheral, code), u16Bytes(body.byteLength), body);
}

/** PROTOCOL IDENTIFIER of iSCSI (SPC-4 Table 477). */
const ISCSI = 0x5;
const CodeSet = { BINARY: 1, ASCII: 2, UTF8: 3 } as const;
const Association = { LOGICAL_UNIT: 0, TARGET_PORT: 1, TARGET_DEVICE: 2 } as const;
const DesignatorType = {
  T10_VENDOR_ID: 1,
  NAA: 3,
  RELATIVE_TARGET_PORT: 4,
  TARGET_PORT_GROUP: 5,
  SCSI_NAME_STRING: 8,
} as const;

interface Designator {
  readonly codeSet: number;
  readonly association: number;
  readonly type: number;
  readonly value: Uint8Array;
}

/** One designation descriptor (SPC-4 §7.8.6.1). Ports and devices name their transport protocol (PIV). */
function designator({ codeSet, association, type, value }: Designator): Uint8Array {
  const ofTransport = association !== Association.LOGICAL_UNIT;
  const header = Uint8Array.of(
    (ofTransport ? ISCSI << 4 : 0) | codeSet,
    (ofTransport ? 0x80 : 0) | (association << 4) | type,
    0,
    value.byteLength,
  );
  return concatenated(header, value);
}

/** Those that name the unit itself, whatever it is reached through. */
function unitDesignators(product: Product, { identity }: LogicalUnit): Designator[] {
  const { naa, serial, name } = identity;
  const vendorSpecific = `${serial}:${name}`.slice(0, 200);
  const association = Association.LOGICAL_UNIT;
  return [
    { codeSet: CodeSet.BINARY, association, type: DesignatorType.NAA, value: naa },
    {
      codeSet: CodeSet.ASCII,
      association,
      type: DesignatorType.T10_VENDOR_ID,
      value: concatenated(asciiField(product.vendor, 8), asciiField(vendorSpecific, vendorSpecific.length)),
    },
  ];
}

/** Whether Device Identification names the unit so. */
export function isDesignatedBy(
  product: Product,
  unit: LogicalUnit,
  wanted: Pick<Designator, 'association' | 'type' | 'value'>,
): boolean {
  return unitDesignators(product, unit).some(
    ({ association, type, value }) =>
      association === wanted.association &&
      type === wanted.type &&
      value.byteLength === wanted.value.byteLength &&
      firstDifference(value, wanted.value) === undefined,
  );
}

/**
 * Device Identification (SPC-4 §7.8.6): who the unit is, and which port and device it was reached
 * through.
 */
function deviceIdentification({ target, server, nexus: { targetPort } }: Asked): Uint8Array {
  return concatenated(
    ...unitDesignators(target.product, server.unit).map(designator),
    designator({
      codeSet: CodeSet.BINARY,
      association: Association.TARGET_PORT,
      type: DesignatorType.RELATIVE_TARGET_PORT,
      value: u32Bytes(targetPort.relativeId),
    }),
    designator({
      codeSet: CodeSet.BINARY,
      association: Association.TARGET_PORT,
      type: DesignatorType.TARGET_PORT_GROUP,
      value: u32Bytes(TARGET_PORT_GROUP),
    }),
    portNameDesignator(targetPort),
    designator({
      codeSet: CodeSet.UTF8,
      association: Association.TARGET_DEVICE,
      type: DesignatorType.SCSI_NAME_STRING,
      value: utf8Padded(target.name),
    }),
  );
}

function portNameDesignator({ name }: TargetPort): Uint8Array {
  return designator({
    codeSet: CodeSet.UTF8,
    association: Association.TARGET_PORT,
    type: DesignatorType.SCSI_NAME_STRING,
    value: utf8Padded(name),
  });
}

/** SCSI Ports (SPC-4 §7.8.14): every target port by its identifier; none is an initiator port as well. */
function scsiPorts({ target }: Asked): Uint8Array {
  const descriptors = target.targetPorts().map((port) => {
    const designators = portNameDesignator(port);
    const withoutInitiator = concatenated(u16Bytes(0), u16Bytes(0), u16Bytes(0));
    const length = u16Bytes(designators.byteLength);
    return concatenated(u16Bytes(0), u16Bytes(port.relativeId), withoutInitiator, length, designators);
  });
  return concatenated(...descriptors);
}

const EXTENDED_INQUIRY_BODY_BYTES = 60;

/** Extended INQUIRY Data (SPC-4 §7.8.7). */
function extendedInquiry(): Uint8Array {
  const body = new Uint8Array(EXTENDED_INQUIRY_BODY_BYTES);
  // HEADSUP, ORDSUP and SIMPSUP: the three task attributes; no grouping, no priorities.
  body[1] = 0x07;
  // V_SUP: there is a volatile cache.
  body[2] = 0x01;
  // LUICLR: a changed LUN inventory is reported by one logical unit and then cleared at all of them.
  body[3] = 0x01;
  return body;
}

/** Mode Page Policy (SPC-4 §7.8.9): every page and subpage is shared by all nexuses, and the unit's own. */
function modePagePolicy(): Uint8Array {
  return Uint8Array.of(0x3f, 0xff, 0x00, 0x00);
}
