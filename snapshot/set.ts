/** `lun set`: what of a VLUN can change without touching its blocks. One record. */
import type { Draft, VlunObject } from './catalogue.ts';
import type { SetVlunRequest } from './pool-types.ts';
import { limits, reservation, vlunNamed } from './requests.ts';

/** The VLUN as it was before. */
export function setVlun(draft: Draft, request: SetVlunRequest): VlunObject {
  const before = vlunNamed(draft, request.name);
  const { reservedBytes, iopsMax: _iops, throughputMaxBytes: _throughput, ...present } = before;
  const { readOnly = present.readOnly, writeCache = present.writeCache } = request;
  const reserved = reservation(request.reservedBytes ?? reservedBytes, present.sizeBytes);
  draft.putVlun({ ...present, readOnly, writeCache, ...reserved, ...limits(request, before) });
  return before;
}
