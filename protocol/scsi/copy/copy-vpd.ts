/** Third-party Copy, VPD page 8Fh (SPC-4 §7.8.17): what the copy manager does, descriptor by descriptor. */
import type { LogicalUnit } from '../../../lun/logical-unit.ts';
import { concatenated, u16Bytes, viewOf } from '../parameter-data.ts';
import {
  BLOCK_TO_BLOCK_SEGMENT,
  COPIES_MAX,
  CSCD_DESCRIPTORS_MAX,
  DESCRIPTOR_LIST_BYTES_MAX,
  IDENTIFICATION_CSCD,
  OWN_UNIT,
  SEGMENT_BYTES_MAX,
  SEGMENT_DESCRIPTORS_MAX,
  TOKEN_BYTES_MAX,
  TOKEN_BYTES_OPTIMAL,
  TOKEN_RANGES_MAX,
  TOKEN_TIMEOUT_DEFAULT_SECONDS,
  TOKEN_TIMEOUT_MAX_SECONDS,
} from './limits.ts';
import { RodType } from './rod-tokens.ts';

/** Third-party copy descriptor types (SPC-4 Table 586). */
const DescriptorType = {
  BLOCK_DEVICE_ROD_LIMITS: 0x0000,
  SUPPORTED_COMMANDS: 0x0001,
  PARAMETER_DATA: 0x0004,
  SUPPORTED_DESCRIPTORS: 0x0008,
  SUPPORTED_CSCD_IDS: 0x000c,
  ROD_TOKEN_FEATURES: 0x0106,
  SUPPORTED_ROD_TYPES: 0x0108,
  GENERAL_COPY_OPERATIONS: 0x8001,
} as const;

/** Service actions of THIRD-PARTY COPY OUT and THIRD-PARTY COPY IN. */
const COMMANDS: readonly (readonly [opcode: number, serviceActions: readonly number[]])[] = [
  [0x83, [0x00, 0x10, 0x11]],
  [0x84, [0x00, 0x03, 0x04, 0x07]],
];

export function thirdPartyCopy({ device }: LogicalUnit): Uint8Array {
  const commands = concatenated(
    ...COMMANDS.map(([opcode, actions]) => Uint8Array.of(opcode, actions.length, ...actions)),
  );
  return concatenated(
    descriptor(DescriptorType.BLOCK_DEVICE_ROD_LIMITS, blockDeviceLimits(device.geometry.blockBytes)),
    descriptor(DescriptorType.SUPPORTED_COMMANDS, Uint8Array.of(commands.byteLength, ...commands)),
    descriptor(DescriptorType.PARAMETER_DATA, parameterData()),
    descriptor(
      DescriptorType.SUPPORTED_DESCRIPTORS,
      Uint8Array.of(2, BLOCK_TO_BLOCK_SEGMENT, IDENTIFICATION_CSCD),
    ),
    descriptor(DescriptorType.SUPPORTED_CSCD_IDS, concatenated(u16Bytes(2), u16Bytes(OWN_UNIT))),
    descriptor(DescriptorType.ROD_TOKEN_FEATURES, tokenFeatures()),
    descriptor(DescriptorType.SUPPORTED_ROD_TYPES, supportedTypes()),
    descriptor(DescriptorType.GENERAL_COPY_OPERATIONS, generalOperations()),
  );
}

/** Padded to a multiple of four bytes, which the length counts. */
function descriptor(type: number, body: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(body.byteLength / 4) * 4);
  padded.set(body);
  return concatenated(u16Bytes(type), u16Bytes(padded.byteLength), padded);
}

/** Offsets of the standard count from the descriptor's header of four bytes. */
function parameterData(): Uint8Array {
  const body = new Uint8Array(28);
  const view = viewOf(body);
  view.setUint16(8 - 4, CSCD_DESCRIPTORS_MAX);
  view.setUint16(10 - 4, SEGMENT_DESCRIPTORS_MAX);
  view.setUint32(12 - 4, DESCRIPTOR_LIST_BYTES_MAX);
  return body;
}

/** In logical blocks and seconds (SBC-3 §6.6.6.3). */
function blockDeviceLimits(blockBytes: number): Uint8Array {
  const body = new Uint8Array(32);
  const view = viewOf(body);
  view.setUint16(10 - 4, TOKEN_RANGES_MAX);
  view.setUint32(12 - 4, TOKEN_TIMEOUT_MAX_SECONDS);
  view.setUint32(16 - 4, TOKEN_TIMEOUT_DEFAULT_SECONDS);
  view.setBigUint64(20 - 4, BigInt(TOKEN_BYTES_MAX / blockBytes));
  view.setBigUint64(28 - 4, BigInt(TOKEN_BYTES_OPTIMAL / blockBytes));
  return body;
}

/** No tokens of other copy managers; a lifetime is not promised (SPC-4 §7.8.17.8). In seconds and bytes. */
function tokenFeatures(): Uint8Array {
  const ofBlocks = new Uint8Array(48);
  const blocks = viewOf(ofBlocks);
  blocks.setUint16(2, ofBlocks.byteLength - 4);
  blocks.setBigUint64(8, BigInt(TOKEN_BYTES_MAX));
  for (const at of [16, 24, 32]) blocks.setBigUint64(at, BigInt(TOKEN_BYTES_OPTIMAL));
  const body = new Uint8Array(44);
  const view = viewOf(body);
  view.setUint32(24 - 4, TOKEN_TIMEOUT_MAX_SECONDS);
  view.setUint16(46 - 4, ofBlocks.byteLength);
  return concatenated(body, ofBlocks);
}

/** TOKEN_OUT: a token of this type may be made; TOKEN_IN: one may be used (SPC-4 §7.8.17.9). */
const TOKEN_OUT = 0x01;
const TOKEN_IN = 0x02;

function supportedTypes(): Uint8Array {
  const types = [
    { type: RodType.POINT_IN_TIME_COPY, flags: TOKEN_IN | TOKEN_OUT },
    { type: RodType.BLOCK_DEVICE_ZERO, flags: TOKEN_IN },
  ].map(({ type, flags }) => {
    const bytes = new Uint8Array(64);
    viewOf(bytes).setUint32(0, type);
    bytes[4] = flags;
    return bytes;
  });
  return concatenated(u16Bytes(0), u16Bytes(64 * types.length), ...types);
}

/** Granularities are of single bytes, 2 to the power of 0. */
function generalOperations(): Uint8Array {
  const body = new Uint8Array(32);
  const view = viewOf(body);
  view.setUint32(4 - 4, COPIES_MAX);
  view.setUint32(8 - 4, COPIES_MAX);
  view.setUint32(12 - 4, SEGMENT_BYTES_MAX);
  return body;
}
