import assert from 'node:assert/strict';
import type { AllocationRun, BlockDevice, DeviceRange, FrozenBlocks, WriteOptions } from './block-device.ts';
import { type BlockRange, bytesOf, type Geometry, inRange, type MaybePromise } from './units.ts';

/**
 * The door to a device that asserts what every caller promises: ranges lie inside the unit and
 * buffers hold exactly the range. The SCSI layer has refused everything else in words already, so
 * an assertion that fails here is our own fault. It adds no step of its own to a call.
 */
export class CheckedDevice implements BlockDevice {
  readonly #inner: BlockDevice;

  constructor(inner: BlockDevice) {
    this.#inner = inner;
  }

  get geometry(): Geometry {
    return this.#inner.geometry;
  }

  read(range: BlockRange, into: Uint8Array): MaybePromise<void> {
    this.#checkBuffer(range, into);
    return this.#inner.read(range, into);
  }

  write(range: BlockRange, from: Uint8Array, options: WriteOptions): MaybePromise<void> {
    this.#checkBuffer(range, from);
    return this.#inner.write(range, from, options);
  }

  unmap(ranges: readonly BlockRange[], options: WriteOptions): MaybePromise<void> {
    for (const range of ranges) this.#checkRange(range);
    return this.#inner.unmap(ranges, options);
  }

  writeSame(range: BlockRange, pattern: Uint8Array, options: WriteOptions): MaybePromise<void> {
    this.#checkRange(range);
    assert.equal(pattern.byteLength, this.geometry.blockBytes);
    return this.#inner.writeSame(range, pattern, options);
  }

  compareAndWrite(
    range: BlockRange,
    expected: Uint8Array,
    replacement: Uint8Array,
    options: WriteOptions,
  ): MaybePromise<number | undefined> {
    this.#checkBuffer(range, expected);
    this.#checkBuffer(range, replacement);
    return this.#inner.compareAndWrite(range, expected, replacement, options);
  }

  copyFrom(range: BlockRange, from: DeviceRange, options: WriteOptions): MaybePromise<boolean> {
    this.#checkRange(range);
    const { device } = from;
    const inner = device instanceof CheckedDevice ? device.#inner : device;
    assert(inRange(from.range, inner.geometry), 'a range lies inside the unit');
    assert.equal(bytesOf(from.range.blocks, inner.geometry), bytesOf(range.blocks, this.geometry));
    return this.#inner.copyFrom?.(range, { device: inner, range: from.range }, options) ?? false;
  }

  flush(): MaybePromise<void> {
    return this.#inner.flush();
  }

  async freeze(ranges: readonly BlockRange[]): Promise<FrozenBlocks | undefined> {
    for (const range of ranges) this.#checkRange(range);
    return this.#inner.freeze?.(ranges);
  }

  async purge(): Promise<void> {
    await this.#inner.purge?.();
  }

  allocation(range: BlockRange, runsMax: number): MaybePromise<readonly AllocationRun[]> {
    this.#checkRange(range);
    assert(Number.isInteger(runsMax) && runsMax > 0);
    return this.#inner.allocation(range, runsMax);
  }

  #checkRange(range: BlockRange): void {
    assert(Number.isInteger(range.lba) && Number.isInteger(range.blocks), 'a range is whole blocks');
    assert(inRange(range, this.#inner.geometry), 'a range lies inside the unit');
  }

  #checkBuffer(range: BlockRange, bytes: Uint8Array): void {
    this.#checkRange(range);
    assert.equal(bytes.byteLength, bytesOf(range.blocks, this.#inner.geometry));
  }
}
