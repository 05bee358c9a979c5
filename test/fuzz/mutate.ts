/** Damage to bytes that were right: to one PDU, and to the order of several. */
import { pduOfOpcode } from 'node-iscsi-pdu';
import type { Random } from '../support/random.ts';
import { spoilField } from './fields.ts';

/** One PDU with something wrong, or perhaps nothing: the standard allows most values. */
export function mutatedPdu(pdu: Uint8Array, random: Random): Uint8Array {
  const bytes = pdu.slice();
  const layout = pduOfOpcode((bytes[0] ?? 0) & 0x3f)?.layout;
  const times = random.chance(0.8) ? 1 : random.between(2, 5);
  for (let time = 0; time < times; time += 1) {
    if (layout !== undefined && bytes.length >= 48 && random.chance(0.6)) spoilField(bytes, layout, random);
    else if (bytes.length > 0) {
      const at = random.below(random.chance(0.5) ? Math.min(48, bytes.length) : bytes.length);
      bytes[at] = random.chance(0.5) ? random.below(256) : (bytes[at] as number) ^ (1 << random.below(8));
    }
  }
  if (random.chance(0.04)) return bytes.subarray(0, random.below(bytes.length + 1));
  if (random.chance(0.04)) return Uint8Array.from([...bytes, ...random.bytes(random.below(60))]);
  return bytes;
}

/** A session played again with PDUs damaged, left out, said twice, exchanged, or taken from another. */
export function mutatedSession(sessions: readonly (readonly Uint8Array[])[], random: Random): Uint8Array[] {
  const pdus: Uint8Array[] = [];
  const rate = random.pick([0, 0.02, 0.1, 0.4]);
  for (const pdu of random.pick(sessions)) {
    const damage = random.chance(rate) ? random.below(6) : -1;
    if (damage === 0) continue;
    if (damage === 1) pdus.push(pdu);
    if (damage === 2) pdus.push(random.pick(random.pick(sessions)));
    pdus.push(damage >= 3 ? mutatedPdu(pdu, random) : pdu);
    if (damage === 5 && pdus.length > 1) pdus.push(...pdus.splice(-2, 2).reverse());
  }
  return pdus;
}
