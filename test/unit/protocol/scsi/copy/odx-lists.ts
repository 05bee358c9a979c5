/** Parameter lists of POPULATE TOKEN (SBC-3 §5.7) and WRITE USING TOKEN (§5.48), written byte by byte. */
import { u16, u32, u64 } from '../harness.ts';

export type Range = readonly [lba: number, blocks: number];

const descriptors = (ranges: readonly Range[]): number[] =>
  ranges.flatMap(([lba, blocks]) => [...u64(lba), ...u32(blocks), 0, 0, 0, 0]);

export interface PopulateOptions {
  readonly flags?: number;
  readonly timeout?: number;
  readonly type?: number;
}

export function populateList(
  ranges: readonly Range[],
  { flags = 0, timeout = 0, type = 0 }: PopulateOptions = {},
): Uint8Array {
  const rest = descriptors(ranges);
  const head = [...u16(14 + rest.length), flags, 0, ...u32(timeout), ...u32(type), 0, 0, ...u16(rest.length)];
  return Uint8Array.from([...head, ...rest]);
}

export function writeList(
  token: Uint8Array,
  ranges: readonly Range[],
  { flags = 0, offset = 0 }: { readonly flags?: number; readonly offset?: number } = {},
): Uint8Array {
  const rest = descriptors(ranges);
  const head = [...u16(534 + rest.length), flags, 0, 0, 0, 0, 0, ...u64(offset), ...token];
  return Uint8Array.from([...head, 0, 0, 0, 0, 0, 0, ...u16(rest.length), ...rest]);
}

export const populateToken = (id: number, list: Uint8Array): number[] => [
  ...[0x83, 0x10, 0, 0, 0, 0],
  ...u32(id),
  ...u32(list.length),
  ...[0, 0],
];

export const writeUsingToken = (id: number, list: Uint8Array): number[] => [
  ...[0x83, 0x11, 0, 0, 0, 0],
  ...u32(id),
  ...u32(list.length),
  ...[0, 0],
];

export const rodTokenInformation = (id: number, allocation = 1024): number[] => [
  ...[0x84, 0x07],
  ...u32(id),
  ...[0, 0, 0, 0],
  ...u32(allocation),
  ...[0, 0],
];

/** The token in what RECEIVE ROD TOKEN INFORMATION answered. */
export const tokenIn = (information: Uint8Array): Uint8Array => information.slice(38, 38 + 512);

/** Block device zero ROD token (SBC-3 §4.28.4). */
export const ZERO_TOKEN = Uint8Array.from([0xff, 0xff, 0, 1, 0, 0, 0x01, 0xf8, ...new Array(504).fill(0)]);
