// The memory device keeps the contract that every block device keeps, with and without the checked door.
import { describe, expect, test } from 'vitest';
import { CheckedDevice } from '../../../lun/checked-device.ts';
import { MemoryDevice } from '../../../lun/memory-device.ts';
import { blockDeviceContract, range } from '../../support/block-device-contract.ts';

for (const blockBytes of [512, 4096] as const) {
  const form = { blockBytes, capacityBlocks: 4096 };
  blockDeviceContract(`the memory device of ${blockBytes}-byte blocks`, () => ({
    device: new MemoryDevice(form),
  }));
  blockDeviceContract(`the checked door over ${blockBytes}-byte blocks`, () => ({
    device: new CheckedDevice(new MemoryDevice(form)),
  }));
}

describe('the checked door', () => {
  const device = new CheckedDevice(new MemoryDevice({ blockBytes: 512, capacityBlocks: 100 }));
  const cached = { fua: false };

  test('asserts that a range lies inside the unit', () => {
    expect(() => device.read(range(99, 2), new Uint8Array(1024))).toThrow(/inside the unit/);
    expect(() => device.unmap([range(0, 1), range(100, 1)], cached)).toThrow(/inside the unit/);
    expect(() => device.write(range(-1, 1), new Uint8Array(512), cached)).toThrow(/inside the unit/);
    expect(() => device.allocation(range(0.5, 1), 4)).toThrow(/whole blocks/);
  });

  test('asserts that a buffer holds exactly the range', () => {
    expect(() => device.write(range(0, 1), new Uint8Array(511), cached)).toThrow();
    expect(() => device.writeSame(range(0, 4), new Uint8Array(2048), cached)).toThrow();
    expect(() =>
      device.compareAndWrite(range(0, 1), new Uint8Array(512), new Uint8Array(513), cached),
    ).toThrow();
    expect(() => device.allocation(range(0, 1), 0)).toThrow();
  });
});
