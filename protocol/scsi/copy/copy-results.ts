/**
 * What a copy manager keeps of copies for RECEIVE COPY RESULTS: per nexus and unit, by list identifier, until
 * another copy comes with the same one. There are 256, so that is bounded.
 */
import { checkCondition, type Failure } from '../outcome.ts';
import { Sense } from '../sense.ts';

export interface CopyResult {
  state: 'running' | 'done' | 'failed';
  segmentsProcessed: number;
  bytesCopied: number;
  /** How it ended, while nobody has asked for that yet. */
  failure: Failure | undefined;
}

export type CopyResults = Map<number, CopyResult>;

/** What a unit keeps of the copies of one nexus; the key is whatever object stands for the unit. */
export function resultsOf(copies: WeakMap<object, CopyResults>, unit: object): CopyResults {
  let results = copies.get(unit);
  if (results === undefined) {
    results = new Map();
    copies.set(unit, results);
  }
  return results;
}

const IN_PROGRESS = checkCondition(Sense.OPERATION_IN_PROGRESS);

/** The record of a copy that begins, under its identifier if it has one; refused while another has that. */
export function beginCopy(results: CopyResults, listId: number | undefined): CopyResult | Failure {
  const result: CopyResult = { state: 'running', segmentsProcessed: 0, bytesCopied: 0, failure: undefined };
  if (listId === undefined) return result;
  if (results.get(listId)?.state === 'running') return IN_PROGRESS;
  results.set(listId, result);
  return result;
}
