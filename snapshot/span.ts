/**
 * Logical blocks of a unit as bytes of pool blocks. A pool block holds one logical block of 4,096 bytes or
 * eight of 512; a range of the latter may begin and end inside a pool block.
 */
import type { BlockRange, LogicalBlockBytes } from '../lun/units.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';

/** Bytes of a unit, from `offsetBytes` on, and the pool blocks they touch. Not empty. */
export interface Span {
  readonly offsetBytes: number;
  readonly bytes: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  /** It begins and ends where pool blocks do. */
  readonly aligned: boolean;
}

export function spanOf(range: BlockRange, blockBytes: LogicalBlockBytes): Span {
  return spanOfBytes(range.lba * blockBytes, range.blocks * blockBytes);
}

export function spanOfBytes(offsetBytes: number, bytes: number): Span {
  const endBytes = offsetBytes + bytes;
  return {
    offsetBytes,
    bytes,
    firstBlock: Math.floor(offsetBytes / POOL_BLOCK_BYTES),
    lastBlock: Math.floor((endBytes - 1) / POOL_BLOCK_BYTES),
    aligned: offsetBytes % POOL_BLOCK_BYTES === 0 && endBytes % POOL_BLOCK_BYTES === 0,
  };
}

/** A part of a span: some bytes inside one pool block, or some whole blocks. */
export interface SpanPart {
  readonly block: number;
  readonly blocks: number;
  /** Where in the first block it begins; 0 for whole blocks. */
  readonly skipBytes: number;
  readonly bytes: number;
  /** Where in the span it begins. */
  readonly fromBytes: number;
  readonly whole: boolean;
}

/** The span as a partial head, whole blocks and a partial tail, each where there is one. */
export function partsOf(span: Span): SpanPart[] {
  const parts: SpanPart[] = [];
  const endBytes = span.offsetBytes + span.bytes;
  for (let at = span.offsetBytes; at < endBytes; ) {
    const block = Math.floor(at / POOL_BLOCK_BYTES);
    const skipBytes = at % POOL_BLOCK_BYTES;
    const wholeBlocks = skipBytes === 0 ? Math.floor((endBytes - at) / POOL_BLOCK_BYTES) : 0;
    const bytes =
      wholeBlocks > 0
        ? wholeBlocks * POOL_BLOCK_BYTES
        : Math.min(endBytes - at, POOL_BLOCK_BYTES - skipBytes);
    parts.push({
      block,
      blocks: Math.max(wholeBlocks, 1),
      skipBytes,
      bytes,
      fromBytes: at - span.offsetBytes,
      whole: wholeBlocks > 0,
    });
    at += bytes;
  }
  return parts;
}
