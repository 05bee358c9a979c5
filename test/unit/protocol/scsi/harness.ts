/** A target with units in memory and a nexus that runs CDBs written as bytes; the tests' initiator. */
import type { LogicalUnit, UnitMap } from '../../../../lun/logical-unit.ts';
import { type MemoryUnit, type MemoryUnitOptions, memoryUnit } from '../../../../lun/memory-device.ts';
import { DeviceServers } from '../../../../protocol/scsi/device-server.ts';
import {
  type AbortRequest,
  type Nexus,
  ScsiTarget,
  type ScsiTargetOptions,
} from '../../../../protocol/scsi/target.ts';
import type { ScsiTask, TaskResult } from '../../../../protocol/scsi/task.ts';
import type { ManualTimers } from '../../../support/manual-timers.ts';

/** A map of units that a test may change; `changed` tells the target. */
export class TestUnits implements UnitMap {
  readonly units = new Map<number, LogicalUnit>();
  readonly #listeners = new Set<() => void>();

  get(lun: number): LogicalUnit | undefined {
    return this.units.get(lun);
  }

  numbers(): readonly number[] {
    return [...this.units.keys()].sort((a, b) => a - b);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const TARGET_NAME = 'iqn.2026-11.io.snaplun:test';

export function lunBytes(lun: number): Uint8Array {
  return Uint8Array.of(lun < 256 ? 0 : 0x40 | (lun >> 8), lun & 0xff, 0, 0, 0, 0, 0, 0);
}

export interface TaskOptions {
  readonly lun?: number;
  readonly dataOut?: Uint8Array;
  readonly room?: number;
  readonly attribute?: ScsiTask['attribute'];
  readonly tag?: number;
}

let nextTag = 1;

export function task(cdb: readonly number[], options: TaskOptions = {}): ScsiTask {
  const padded = new Uint8Array(16);
  padded.set(cdb);
  nextTag += 1;
  return {
    lun: lunBytes(options.lun ?? 0),
    tag: options.tag ?? nextTag,
    attribute: options.attribute ?? 'simple',
    cdb: padded,
    dataOut: options.dataOut ?? new Uint8Array(0),
    dataInBytesMax: options.room ?? 0x1000000,
  };
}

export class Initiator {
  readonly nexus: Nexus;

  constructor(nexus: Nexus) {
    this.nexus = nexus;
  }

  run(cdb: readonly number[], options?: TaskOptions): Promise<TaskResult> {
    return new Promise((resolve) => this.nexus.execute(task(cdb, options), resolve));
  }

  /** TEST UNIT READY until the unit attentions of a new nexus are gone. */
  async settle(lun = 0): Promise<this> {
    for (let i = 0; i < 10; i += 1) {
      const { status } = await this.run([0, 0, 0, 0, 0, 0], { lun });
      if (status !== 2) return this;
    }
    return this;
  }
}

/** Tokens that can be told apart, and that end when the test says so. */
export function testServers(timers?: ManualTimers): DeviceServers {
  let made = 0;
  const randomBytes = (count: number): Uint8Array => {
    made += 1;
    return new Uint8Array(count).fill(made);
  };
  return new DeviceServers({
    randomBytes,
    after: (ms, run) => timers?.after(ms, run) ?? (() => undefined),
  });
}

export interface Bench {
  readonly target: ScsiTarget;
  readonly units: TestUnits;
  readonly unit: MemoryUnit;
  readonly aborted: AbortRequest[];
  initiator(name?: string): Initiator;
}

export function bench(options: MemoryUnitOptions = {}, more: Partial<ScsiTargetOptions> = {}): Bench {
  const units = new TestUnits();
  const unit = memoryUnit(options);
  units.units.set(0, unit);
  const aborted: AbortRequest[] = [];
  const target = new ScsiTarget({
    units,
    name: TARGET_NAME,
    servers: testServers(),
    product: { vendor: 'SNAPLUN', product: 'VLUN', revision: '0.1' },
    abortTasks: (victims) => {
      aborted.push(victims);
    },
    ...more,
  });
  const initiator = (name = 'a'): Initiator =>
    new Initiator(
      target.openNexus({
        portName: `iqn.2026-11.example:${name},i,0x00023d0000${name.charCodeAt(0).toString(16)}`,
        deviceName: `iqn.2026-11.example:${name}`,
      }),
    );
  return { target, units, unit, aborted, initiator };
}

/** A bench with one settled initiator. */
export async function ready(
  options: MemoryUnitOptions = {},
  more: Partial<ScsiTargetOptions> = {},
): Promise<Bench & { readonly a: Initiator }> {
  const made = bench(options, more);
  return { ...made, a: await made.initiator('a').settle() };
}

export interface SenseFacts {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
  /** SKSV, C/D, BPV and bit pointer, then the field pointer. */
  readonly special: readonly number[];
  readonly information: number | undefined;
}

/** Reads fixed format sense data (SPC-4 Table 48). */
export function fixedSense(result: TaskResult): SenseFacts {
  const sense = result.sense ?? new Uint8Array(18);
  const view = new DataView(sense.buffer, sense.byteOffset);
  return {
    key: (sense[2] as number) & 0x0f,
    asc: sense[12] as number,
    ascq: sense[13] as number,
    special: [...sense.subarray(15, 18)],
    information: ((sense[0] as number) & 0x80) !== 0 ? view.getUint32(3) : undefined,
  };
}

/** "5/24/00": sense key, ASC and ASCQ in hexadecimal; "good", "conflict", … without sense. */
export function verdict(result: TaskResult): string {
  const words: Record<number, string> = { 0: 'good', 8: 'busy', 24: 'conflict', 40: 'full' };
  if (result.status !== 2) return words[result.status] ?? String(result.status);
  const { key, asc, ascq } = fixedSense(result);
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `${key.toString(16)}/${hex(asc)}/${hex(ascq)}`;
}

export function hexOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}

export const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
export const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];
export const u64 = (value: bigint | number): number[] => {
  const whole = BigInt.asUintN(64, BigInt(value));
  return [...u32(Number(whole >> 32n)), ...u32(Number(whole & 0xffffffffn))];
};

/** CDBs of the block transfers: [opcode, flags, LBA, length] in the places of SBC-3. */
export function cdb10(opcode: number, lba: number, blocks: number, flags = 0): number[] {
  return [opcode, flags, ...u32(lba), 0, ...u16(blocks), 0];
}
export function cdb12(opcode: number, lba: number, blocks: number, flags = 0): number[] {
  return [opcode, flags, ...u32(lba), ...u32(blocks), 0, 0];
}
export function cdb16(opcode: number, lba: number | bigint, blocks: number, flags = 0): number[] {
  return [opcode, flags, ...u64(lba), ...u32(blocks), 0, 0];
}

export function filled(bytes: number, byte: number): Uint8Array {
  return new Uint8Array(bytes).fill(byte);
}
