/**
 * Self-tests of a logical unit (SPC-4 §5.6): the first and the last megabyte are read, which goes the whole
 * way of a read and verifies every checksum there. The results are what log page 10h shows.
 */
import type { BlockDevice } from '../../lun/block-device.ts';
import { StoreError } from '../../lun/errors.ts';
import { type BlockRange, bytesOf, type Geometry } from '../../lun/units.ts';
import { SELF_TEST_BYTES, SELF_TEST_RESULTS_MAX } from './limits.ts';

import { Sense, type SenseCode } from './sense.ts';

/** SELF-TEST CODE (SPC-4 Table 286) of the tests there are; 0 stands for the default self-test. */
export const SelfTestCode = {
  DEFAULT: 0,
  BACKGROUND_SHORT: 1,
  ABORT_BACKGROUND: 4,
  FOREGROUND_SHORT: 5,
} as const;

/** SELF-TEST RESULTS (SPC-4 Table 412). */
const Result = { PASSED: 0x0, FAILED: 0x7 } as const;

export interface SelfTestResult {
  readonly code: number;
  readonly result: number;
  /** Milliseconds since the device server began. */
  readonly atMs: number;
  /** The first block of the part that failed. */
  readonly failedLba: number | undefined;
  readonly sense: SenseCode;
}

/** Newest first, at most `SELF_TEST_RESULTS_MAX`. */
export class SelfTests {
  readonly results: SelfTestResult[] = [];

  /** Runs the test and keeps its result; a test whose blocks cannot be read has failed. */
  async run(device: BlockDevice, code: number, atMs: number): Promise<SelfTestResult> {
    const result = await examine(device, code, atMs);
    this.results.unshift(result);
    this.results.length = Math.min(this.results.length, SELF_TEST_RESULTS_MAX);
    return result;
  }
}

function firstPart({ blockBytes, capacityBlocks }: Geometry): BlockRange {
  return { lba: 0, blocks: Math.min(capacityBlocks, SELF_TEST_BYTES / blockBytes) } as BlockRange;
}

function lastPart(geometry: Geometry): BlockRange {
  const { blocks } = firstPart(geometry);
  return { lba: geometry.capacityBlocks - blocks, blocks } as BlockRange;
}

async function examine(device: BlockDevice, code: number, atMs: number): Promise<SelfTestResult> {
  const passed = { code, atMs, result: Result.PASSED, failedLba: undefined };
  for (const part of [firstPart, lastPart]) {
    // The unit may have been given another size since the part before.
    const range = part(device.geometry);
    try {
      await device.read(range, new Uint8Array(bytesOf(range.blocks, device.geometry)));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const failedLba = error.lba ?? range.lba;
      return { ...passed, result: Result.FAILED, failedLba, sense: Sense.UNRECOVERED_READ_ERROR };
    }
  }
  return { ...passed, sense: Sense.NO_ADDITIONAL_SENSE_INFORMATION };
}
