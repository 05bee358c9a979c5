/**
 * The 8-byte LUN field, single level (SAM-5 §4.7): peripheral device addressing below 256, flat space
 * above.
 */

const FLAT_SPACE = 0x40;
/** The largest LUN that flat space addressing can say. */
export const LUN_MAX = 0x3fff;

/** The LUN number, or undefined for a form that no unit of ours has. */
export function lunNumber(field: Uint8Array): number | undefined {
  const first = field[0] as number;
  for (let i = 2; i < 8; i += 1) if (field[i] !== 0) return undefined;
  if (first === 0) return field[1];
  return (first & 0xc0) === FLAT_SPACE ? ((first & 0x3f) << 8) | (field[1] as number) : undefined;
}

export function lunField(lun: number): Uint8Array {
  const field = new Uint8Array(8);
  field[0] = lun < 256 ? 0 : FLAT_SPACE | (lun >> 8);
  field[1] = lun & 0xff;
  return field;
}
