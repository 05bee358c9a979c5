/**
 * `lun resize`. Growing is one record: the new blocks have no entries and read as zeroes. A shrink counts as
 * an UNMAP of what is cut off (P7): commands past the new end are refused at once, then the blocks are
 * deallocated as that command would, trackers following, and then one record states the size. So a VLUN that
 * grows again reads zeroes.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Draft, VlunObject } from './catalogue.ts';
import type { ResizeRequest } from './pool-types.ts';
import { checkSize, reservation } from './requests.ts';

/** Refuses what cannot be done before anything is. */
export function checkResize(vlun: VlunObject, request: ResizeRequest): void {
  checkSize(request.sizeBytes, vlun.blockBytes);
  if (request.sizeBytes < vlun.sizeBytes && request.shrink !== true) {
    throw new OperatorError(
      'shrinks',
      `'${vlun.name}' would lose what lies past the new end; ask for a shrink.`,
    );
  }
}

/** A reservation that is larger than the VLUN then is becomes that small. */
export function resize(draft: Draft, id: number, sizeBytes: number): void {
  const { reservedBytes, ...vlun } = draft.vlun(id);
  draft.putVlun({ ...vlun, sizeBytes, ...reservation(Math.min(reservedBytes ?? 0, sizeBytes), sizeBytes) });
}
