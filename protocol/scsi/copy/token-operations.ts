/**
 * What became of POPULATE TOKEN and WRITE USING TOKEN, for RECEIVE ROD TOKEN INFORMATION: per nexus and unit,
 * by list identifier, until another comes with the same one or so many came after it.
 */
import { checkCondition, type Failure } from '../outcome.ts';
import { Sense } from '../sense.ts';
import { TOKEN_OPERATIONS_MAX } from './limits.ts';

export interface TokenOperation {
  readonly serviceAction: number;
  readonly immediate: boolean;
  state: 'running' | 'done' | 'failed';
  /** Blocks that the token represents, or that were written. */
  blocks: number;
  token: Uint8Array | undefined;
  failure: Failure | undefined;
}

export type TokenOperations = Map<number, TokenOperation>;

/** What a unit keeps of the operations of one nexus; the key is whatever object stands for the unit. */
export function operationsOf(all: WeakMap<object, TokenOperations>, unit: object): TokenOperations {
  let operations = all.get(unit);
  if (operations === undefined) {
    operations = new Map();
    all.set(unit, operations);
  }
  return operations;
}

const IN_PROGRESS = checkCondition(Sense.OPERATION_IN_PROGRESS);

/** The record of one that begins; refused while another with its identifier runs. */
export function beginOperation(
  operations: TokenOperations,
  listId: number,
  { serviceAction, immediate }: Pick<TokenOperation, 'serviceAction' | 'immediate'>,
): TokenOperation | Failure {
  if (operations.get(listId)?.state === 'running') return IN_PROGRESS;
  const operation: TokenOperation = {
    serviceAction,
    immediate,
    state: 'running',
    blocks: 0,
    token: undefined,
    failure: undefined,
  };
  operations.delete(listId);
  operations.set(listId, operation);
  for (const [oldest, { state }] of operations) {
    if (operations.size <= TOKEN_OPERATIONS_MAX) break;
    if (state !== 'running') operations.delete(oldest);
  }
  return operation;
}

/** Runs it, notes how it ends, and says so. */
export async function runOperation(
  operation: TokenOperation,
  run: () => Promise<Failure | undefined>,
): Promise<Failure | undefined> {
  try {
    operation.failure = await run();
    if (operation.failure === undefined) operation.state = 'done';
    return operation.failure;
  } finally {
    if (operation.state === 'running') operation.state = 'failed';
  }
}
