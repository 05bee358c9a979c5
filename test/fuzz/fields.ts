/** Random values for the fields of a layout: mostly the ones at which programs break. */
import type { Field, Layout, RecordOf } from 'node-iscsi-pdu';
import type { Random } from '../support/random.ts';

function interesting(random: Random, max: number): number {
  switch (random.below(6)) {
    case 0:
      return 0;
    case 1:
      return max;
    case 2:
      return Math.min(max, 2 ** random.below(33));
    case 3:
      return Math.max(0, max - random.below(3));
    case 4:
      return Math.floor(random.next() * (max + 1));
    default:
      return Math.min(max, random.below(9));
  }
}

/** The largest value of a number field. */
export function maxOf(field: Field): number {
  return field.kind === 'bits' ? 2 ** (field.msb - field.lsb + 1) - 1 : 2 ** (8 * field.byteCount) - 1;
}

export function randomValue(field: Field, random: Random): boolean | number | bigint | Uint8Array {
  switch (field.kind) {
    case 'bit':
      return random.chance(0.5);
    case 'raw':
      return random.chance(0.3) ? new Uint8Array(field.byteCount) : random.bytes(field.byteCount);
    case 'u64':
      return random.chance(0.5)
        ? BigInt(interesting(random, 0xffffffff))
        : (1n << BigInt(random.below(64))) - BigInt(random.below(2));
    default:
      return interesting(random, maxOf(field));
  }
}

/** Every field random. */
export function randomRecord<L extends Layout>(layout: L, random: Random): RecordOf<L> {
  const record: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(layout)) record[name] = randomValue(field, random);
  return record as RecordOf<L>;
}

/** Gives one field of encoded bytes, its place named by the layout, another value, whatever it held. */
export function spoilField(bytes: Uint8Array, layout: Layout, random: Random): void {
  const field = random.pick(Object.values(layout));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (field.kind === 'bit' || field.kind === 'bits') {
    const mask = maxOf(field.kind === 'bit' ? { ...field, kind: 'bits' } : field) << field.lsb;
    const value = interesting(random, mask >>> field.lsb) << field.lsb;
    bytes[field.byte] = ((bytes[field.byte] as number) & ~mask) | (value & mask);
  } else if (field.kind === 'u32') view.setUint32(field.byte, interesting(random, 0xffffffff));
  else if (field.kind === 'u24') bytes.set(random.bytes(3), field.byte);
  else bytes.set(random.bytes(field.byteCount), field.byte);
}
