/**
 * `release` (P12): a tracking VLUN keeps exactly what it reads at that moment, and follows no more. One
 * record.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Draft, VlunObject } from './catalogue.ts';
import { detach } from './layers.ts';
import { vlunNamed } from './requests.ts';

export function release(draft: Draft, name: string): VlunObject {
  const vlun = vlunNamed(draft, name);
  if (vlun.tracks === undefined) {
    throw new OperatorError('not-tracking', `The VLUN '${name}' tracks no other.`);
  }
  detach(draft, [vlun.id]);
  return draft.vlun(vlun.id);
}
