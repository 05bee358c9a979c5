/** Parameter lists of EXTENDED COPY(LID1), written byte by byte from SPC-4 §6.4. */
import { u16, u32, u64 } from '../harness.ts';

export const NAA = [0x60, 0x01, 0x40, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/** Identification descriptor CSCD descriptor: an NAA designator of a logical unit of block devices. */
export function cscd(naa: readonly number[] = NAA, blockBytes = 512): number[] {
  const padding = new Array<number>(20 - naa.length).fill(0);
  return [0xe4, 0, 0, 0, 1, 0x03, 0, naa.length, ...naa, ...padding, 0, ...u32(blockBytes).slice(1)];
}

export interface Segment {
  readonly source?: number;
  readonly destination?: number;
  readonly blocks: number;
  readonly from: number;
  readonly to: number;
  /** DC: the blocks are the destination's. */
  readonly dc?: boolean;
}

export function segment({ source = 0, destination = 0, blocks, from, to, dc = false }: Segment): number[] {
  const flags = dc ? 0x02 : 0;
  const head = [0x02, flags, 0, 0x18, ...u16(source), ...u16(destination), 0, 0, ...u16(blocks)];
  return [...head, ...u64(from), ...u64(to)];
}

export interface List {
  readonly id?: number;
  /** LIST ID USAGE. */
  readonly usage?: number;
  readonly cscds?: readonly (readonly number[])[];
  readonly segments?: readonly (readonly number[])[];
}

export function copyList({ id = 1, usage = 0, cscds = [cscd()], segments = [] }: List): Uint8Array {
  const [targets, rest] = [cscds.flat(), segments.flat()];
  const head = [id, usage << 3, ...u16(targets.length), 0, 0, 0, 0, ...u32(rest.length), 0, 0, 0, 0];
  return Uint8Array.from([...head, ...targets, ...rest]);
}

export const extendedCopy = (list: Uint8Array): number[] => [
  ...[0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ...u32(list.length),
  ...[0, 0],
];

/** RECEIVE COPY STATUS(LID1) 00h, OPERATING PARAMETERS 03h, FAILURE DETAILS(LID1) 04h. */
export const receiveCopy = (action: number, id = 0, allocation = 1024): number[] => [
  ...[0x84, action, id, 0, 0, 0, 0, 0, 0, 0],
  ...u32(allocation),
  ...[0, 0],
];
