/** `lun set`: what of a VLUN can change without touching its blocks. One record. */
import type { Draft, VlunObject } from './catalogue.ts';
import type { SetVlunRequest } from './pool-types.ts';
import { reservation, vlunNamed } from './requests.ts';

/** The VLUN as it was before. */
export function setVlun(draft: Draft, request: SetVlunRequest): VlunObject {
  const before = vlunNamed(draft, request.name);
  const { reservedBytes, ...present } = before;
  const { readOnly = present.readOnly, writeCache = present.writeCache } = request;
  const reserved = reservation(request.reservedBytes ?? reservedBytes, present.sizeBytes);
  draft.putVlun({ ...present, readOnly, writeCache, ...reserved });
  return before;
}
