/** `lun create`: a VLUN with an empty live image over nothing. Costs one record, whatever its size. */
import { OperatorError } from '../lun/errors.ts';
import type { Draft, VlunObject } from './catalogue.ts';
import type { CreateVlunRequest } from './pool-types.ts';
import { checkSize, limits, newVlunName, reservation } from './requests.ts';

export function createVlun(draft: Draft, request: CreateVlunRequest, nowMs: number): VlunObject {
  const blockBytes = request.blockBytes ?? 512;
  newVlunName(draft, request.name);
  if (blockBytes !== 512 && blockBytes !== 4096) {
    throw new OperatorError('bad-size', 'A logical block has 512 or 4096 bytes.');
  }
  checkSize(request.sizeBytes, blockBytes);
  const live = draft.next('image');
  draft.putImage({ id: live, frozen: false });
  const vlun: VlunObject = {
    id: draft.next('vlun'),
    name: request.name,
    identity: draft.next('identity'),
    sizeBytes: request.sizeBytes,
    blockBytes,
    readOnly: request.readOnly ?? false,
    removable: request.removable ?? false,
    writeCache: request.writeCache ?? true,
    createdAtMs: nowMs,
    live,
    ...reservation(request.reservedBytes, request.sizeBytes),
    ...limits(request),
  };
  draft.putVlun(vlun);
  return vlun;
}
