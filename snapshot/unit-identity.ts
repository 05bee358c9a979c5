/**
 * Identities of units: a pool's own random number and a counter that is never used twice, so that no identity
 * is ever given to another unit. The name is of NAA type 6 (SPC-4 §7.8.6.6.5): a company identifier, here a
 * locally administered one, then 36 bits and 32 bits of the pool's number, then the counter.
 */
import type { UnitIdentity } from '../lun/logical-unit.ts';

/** Locally administered (bit 1 of the first octet), as none is registered for the project. */
const COMPANY_IDENTIFIER = 0x52534e;
const NAA_TYPE_REGISTERED_EXTENDED = 0x6;

export function unitIdentity(unit: {
  /** 32 hexadecimal digits. */
  readonly pool: string;
  readonly counter: number;
  readonly name: string;
}): UnitIdentity {
  const counter = unit.counter.toString(16).padStart(8, '0');
  const company = COMPANY_IDENTIFIER.toString(16).padStart(6, '0');
  const naa = `${NAA_TYPE_REGISTERED_EXTENDED.toString(16)}${company}${unit.pool.slice(0, 17)}${counter}`;
  return {
    naa: new Uint8Array(Buffer.from(naa, 'hex')),
    serial: `${unit.pool.slice(0, 12)}${counter}`,
    name: unit.name,
  };
}
