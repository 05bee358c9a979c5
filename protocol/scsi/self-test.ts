/**
 * Self-tests of a logical unit (SPC-4 §5.6): the first and the last megabyte are read, which goes the whole
 * way of a read and verifies every checksum there. The results are what log page 10h shows.
 */
import type { BlockDevice } from '../../lun/block-device.ts';
import { StoreError } from '../../lun/errors.ts';
import type { BlockRange } from '../../lun/units.ts';
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

async function examine(device: BlockDevice, code: number, atMs: number): Promise<SelfTestResult> {
  const { blockBytes, capacityBlocks } = device.geometry;
  const blocks = Math.min(capacityBlocks, SELF_TEST_BYTES / blockBytes);
  const into = new Uint8Array(blocks * blockBytes);
  const passed = { code, atMs, result: Result.PASSED, failedLba: undefined };
  for (const lba of [0, capacityBlocks - blocks]) {
    try {
      await device.read({ lba, blocks } as BlockRange, into);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const failedLba = error.lba ?? lba;
      return { ...passed, result: Result.FAILED, failedLba, sense: Sense.UNRECOVERED_READ_ERROR };
    }
  }
  return { ...passed, sense: Sense.NO_ADDITIONAL_SENSE_INFORMATION };
}
