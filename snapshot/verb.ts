/** A verb on the catalogue together with the documents that ride in its record. */
import type { Draft } from './catalogue.ts';
import type { WithDocuments } from './pool-types.ts';
import { checkDocuments } from './requests.ts';
import type { PoolService } from './service.ts';

export interface Changed<T> {
  readonly result: T;
  /** For how long new commands had to wait. */
  readonly pausedMs: number;
}

/** One record, flushed. What the verb throws is thrown here, and nothing has changed then. */
export function changeCatalogue<T>(
  service: PoolService,
  request: WithDocuments,
  verb: (draft: Draft) => T,
): Promise<Changed<T>> {
  service.gate.check();
  return service.structure.change(withDocuments(request, verb));
}

/** The verb, and after it the documents of the request. OperatorError bad-document, at once. */
export function withDocuments<T>(request: WithDocuments, verb: (draft: Draft) => T): (draft: Draft) => T {
  checkDocuments(request.documents);
  return (draft) => {
    const result = verb(draft);
    draft.putDocuments(request.documents);
    return result;
  };
}
