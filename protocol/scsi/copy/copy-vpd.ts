/** Third-party Copy, VPD page 8Fh (SPC-4 §7.8.17): what the copy manager does, descriptor by descriptor. */
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
} from './limits.ts';

/** Third-party copy descriptor types (SPC-4 Table 586). */
const DescriptorType = {
  SUPPORTED_COMMANDS: 0x0001,
  PARAMETER_DATA: 0x0004,
  SUPPORTED_DESCRIPTORS: 0x0008,
  SUPPORTED_CSCD_IDS: 0x000c,
  GENERAL_COPY_OPERATIONS: 0x8001,
} as const;

/** Service actions of THIRD-PARTY COPY OUT and THIRD-PARTY COPY IN. */
const COMMANDS: readonly (readonly [opcode: number, serviceActions: readonly number[]])[] = [
  [0x83, [0x00]],
  [0x84, [0x00, 0x03, 0x04]],
];

export function thirdPartyCopy(): Uint8Array {
  const commands = concatenated(
    ...COMMANDS.map(([opcode, actions]) => Uint8Array.of(opcode, actions.length, ...actions)),
  );
  return concatenated(
    descriptor(DescriptorType.SUPPORTED_COMMANDS, Uint8Array.of(commands.byteLength, ...commands)),
    descriptor(DescriptorType.PARAMETER_DATA, parameterData()),
    descriptor(
      DescriptorType.SUPPORTED_DESCRIPTORS,
      Uint8Array.of(2, BLOCK_TO_BLOCK_SEGMENT, IDENTIFICATION_CSCD),
    ),
    descriptor(DescriptorType.SUPPORTED_CSCD_IDS, concatenated(u16Bytes(2), u16Bytes(OWN_UNIT))),
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

/** Granularities are of single bytes, 2 to the power of 0. */
function generalOperations(): Uint8Array {
  const body = new Uint8Array(32);
  const view = viewOf(body);
  view.setUint32(4 - 4, COPIES_MAX);
  view.setUint32(8 - 4, COPIES_MAX);
  view.setUint32(12 - 4, SEGMENT_BYTES_MAX);
  return body;
}
