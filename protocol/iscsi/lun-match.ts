import { decodeLun } from 'node-iscsi-pdu';

/** Whether two LUN fields name the same unit, whatever addressing method each uses (SAM-5 §4.7). */
export function sameLun(a: Uint8Array, b: Uint8Array): boolean {
  const first = decodeLun(a);
  const second = decodeLun(b);
  if (first !== undefined || second !== undefined) return first === second;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
