/**
 * The sanitize operation of one unit (SBC-3 §4.11): it goes on through resets, the loss of whoever asked and
 * restarts, because what it has still to do stands in the unit's own state before it begins. One that failed
 * keeps everybody out, until another succeeds or, where it was asked so, until an initiator says that it
 * knows.
 *
 * Here data is never overwritten in place, so what erases is to give blocks back and to purge what was given
 * back from the medium; snapshots and other units keep what is theirs. An overwrite stores its pattern after
 * that, once, since further passes would not touch what was there before.
 */

import { CheckedDevice } from '../../lun/checked-device.ts';
import { copyBlocks } from '../../lun/copy-blocks.ts';
import { StoreError } from '../../lun/errors.ts';
import type { LogicalUnit } from '../../lun/logical-unit.ts';
import type { BlockRange } from '../../lun/units.ts';
import { FORMAT_STEP_BLOCKS, OVERWRITE_STEP_BYTES } from './limits.ts';
import { concatenated } from './parameter-data.ts';

/** What is asked for. */
export interface SanitizeOrder {
  /** One logical block as it reads afterwards; absent: blocks are erased and read as zeroes. */
  readonly pattern: Uint8Array | undefined;
  /** AUSE: a failure may be left by EXIT FAILURE MODE. */
  readonly unrestrictedExit: boolean;
}

const STATE_KEY = 'sanitize';
const CACHED = { fua: false } as const;
const FAILED = 0x01;
const UNRESTRICTED_EXIT = 0x02;

export class Sanitizer {
  /** Told whenever it begins or ends. */
  onChange: () => void = () => undefined;
  readonly #unit: LogicalUnit;
  readonly #device: CheckedDevice;
  #order: SanitizeOrder | undefined;
  #failed = false;
  #progress = 0;

  /** Goes on with what an earlier life of the unit had begun. */
  constructor(unit: LogicalUnit) {
    this.#unit = unit;
    this.#device = new CheckedDevice(unit.device);
    const stored = unit.state.get(STATE_KEY);
    if (stored === undefined) return;
    const flags = stored[0] as number;
    this.#order = {
      pattern: stored.byteLength > 1 ? stored.subarray(1) : undefined,
      unrestrictedExit: (flags & UNRESTRICTED_EXIT) !== 0,
    };
    this.#failed = (flags & FAILED) !== 0;
    if (!this.#failed) void this.#run(this.#order);
  }

  /** One is under way or has failed: hardly any command runs. */
  get holds(): boolean {
    return this.#order !== undefined;
  }

  /** How much is done, 0 … 1; undefined while none is under way. */
  get progress(): number | undefined {
    return this.#order === undefined || this.#failed ? undefined : this.#progress;
  }

  /** The last one failed; which ways out there are. */
  get failure(): 'restricted' | 'unrestricted' | undefined {
    if (!this.#failed) return undefined;
    return this.#order?.unrestrictedExit === true ? 'unrestricted' : 'restricted';
  }

  /** Resolves once it is sure that it will be done, with a promise of whether it was. */
  async begin(order: SanitizeOrder): Promise<{ readonly ended: Promise<boolean> }> {
    const before = { order: this.#order, failed: this.#failed };
    this.#take(order, false);
    try {
      await this.#store();
    } catch (error) {
      this.#take(before.order, before.failed);
      throw error;
    }
    return { ended: this.#run(order) };
  }

  /** EXIT FAILURE MODE. */
  async exitFailure(): Promise<void> {
    await this.#unit.state.put(STATE_KEY, undefined);
    this.#take(undefined, false);
  }

  #take(order: SanitizeOrder | undefined, failed: boolean): void {
    this.#order = order;
    this.#failed = failed;
    this.#progress = 0;
    this.onChange();
  }

  async #store(): Promise<void> {
    const { pattern, unrestrictedExit } = this.#order as SanitizeOrder;
    const flags = (this.#failed ? FAILED : 0) | (unrestrictedExit ? UNRESTRICTED_EXIT : 0);
    await this.#unit.state.put(STATE_KEY, concatenated(Uint8Array.of(flags), pattern ?? new Uint8Array(0)));
  }

  /** Whether it succeeded. A store that was closed leaves it to the next life of the unit. */
  async #run(order: SanitizeOrder): Promise<boolean> {
    try {
      await this.#erase(order.pattern === undefined ? 1 : 0.5);
      if (order.pattern !== undefined) await this.#fill(order.pattern);
      await this.#unit.state.put(STATE_KEY, undefined);
      this.#take(undefined, false);
      return true;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.code === 'CLOSED') return false;
      await this.#fail(order);
      return false;
    }
  }

  async #fail(order: SanitizeOrder): Promise<void> {
    this.#take(order, true);
    try {
      await this.#store();
    } catch (error) {
      // Then the next life of the unit tries it again, which is as good.
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** Gives all blocks back and has them erased; `share` of the whole work. The size may change meanwhile. */
  async #erase(share: number): Promise<void> {
    await this.#eachStep(FORMAT_STEP_BLOCKS, async (range, done) => {
      this.#progress = done * share * 0.9;
      await this.#device.unmap([range], CACHED);
    });
    await this.#device.flush();
    this.#progress = share * 0.9;
    await this.#device.purge();
  }

  /** The first step is written; the others are copies of it, which a pool stores by reference. */
  async #fill(pattern: Uint8Array): Promise<void> {
    const device = this.#device;
    const { blockBytes } = device.geometry;
    const block = new Uint8Array(blockBytes);
    for (let at = 0; at < blockBytes; at += pattern.byteLength) {
      block.set(pattern.subarray(0, Math.min(pattern.byteLength, blockBytes - at)), at);
    }
    const isZero = block.every((byte) => byte === 0);
    if (isZero) return;
    await this.#eachStep(OVERWRITE_STEP_BYTES / blockBytes, async (range, done) => {
      this.#progress = 0.5 + done / 2;
      if (range.lba === 0) {
        await device.writeSame(range, block, CACHED);
        return;
      }
      const first = { lba: 0, blocks: range.blocks } as BlockRange;
      await copyBlocks({ device, range }, { device, range: first }, CACHED);
    });
    await device.flush();
  }

  async #eachStep(
    stepBlocks: number,
    step: (range: BlockRange, done: number) => Promise<void>,
  ): Promise<void> {
    for (let lba = 0; lba < this.#device.geometry.capacityBlocks; lba += stepBlocks) {
      const { capacityBlocks } = this.#device.geometry;
      const range = { lba, blocks: Math.min(stepBlocks, capacityBlocks - lba) } as BlockRange;
      await step(range, lba / capacityBlocks);
    }
  }
}
