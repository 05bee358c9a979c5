/**
 * POPULATE TOKEN (SBC-3 §5.7) and WRITE USING TOKEN (§5.48), which Windows calls ODX: blocks are kept as they
 * are under a token, and written from it, here or at any other unit of the process. Units of one pool share
 * them both times.
 */
import { bits, u32 } from 'node-iscsi-pdu/fields';
import { copyBlocks } from '../../../lun/copy-blocks.ts';
import { StoreError } from '../../../lun/errors.ts';
import type { BlockRange } from '../../../lun/units.ts';
import { command, type Request } from '../command.ts';
import {
  checkCondition,
  DONE,
  type Failure,
  invalidParameter,
  type Outcome,
  received,
  storeFailure,
} from '../outcome.ts';
import { writeOptions } from '../sbc/transfer.ts';
import { Sense } from '../sense.ts';
import { isZeroToken, type RodToken, tokenFault } from './rod-tokens.ts';
import { beginOperation, operationsOf, runOperation, type TokenOperation } from './token-operations.ts';
import {
  blocksOf,
  type PopulateParameters,
  readPopulate,
  readWrite,
  type WriteParameters,
} from './token-parameters.ts';

const row = { opcode: 0x83, cdbBytes: 16, needsMedium: true, reserved6: 'conflict' } as const;
const LIST_CDB = { listIdentifier: u32(6), parameterListLength: u32(10), groupNumber: bits(14, 4, 0) };

interface Fields {
  readonly listIdentifier: number;
  readonly parameterListLength: number;
}

export const POPULATE_TOKEN = command({
  ...row,
  name: 'POPULATE TOKEN',
  serviceAction: 0x10,
  cite: 'SBC-3 §5.7',
  cdb: LIST_CDB,
  writes: false,
  reserved: 'read',
  run(request, fields): Outcome | Promise<Outcome> {
    if (fields.parameterListLength === 0) return DONE;
    const { task, server } = request;
    const list = task.dataOut.subarray(0, fields.parameterListLength);
    const parameters = readPopulate(list, server.device.geometry);
    if ('failure' in parameters) return parameters;
    return offload(request, fields, {
      serviceAction: 0x10,
      immediate: parameters.immediate,
      run: (operation) => populate(request, parameters, operation),
    });
  },
});

export const WRITE_USING_TOKEN = command({
  ...row,
  name: 'WRITE USING TOKEN',
  serviceAction: 0x11,
  cite: 'SBC-3 §5.48',
  cdb: LIST_CDB,
  writes: true,
  reserved: 'write',
  run(request, fields): Outcome | Promise<Outcome> {
    if (fields.parameterListLength === 0) return DONE;
    const { task, server } = request;
    const list = task.dataOut.subarray(0, fields.parameterListLength);
    const parameters = readWrite(list, server.device.geometry);
    if ('failure' in parameters) return parameters;
    const fault = tokenFault(parameters.token);
    if (fault !== undefined) return checkCondition(fault);
    return offload(request, fields, {
      serviceAction: 0x11,
      immediate: parameters.immediate,
      run: (operation) => write(request, parameters, operation),
    });
  },
});

interface Offloaded extends Pick<TokenOperation, 'serviceAction' | 'immediate'> {
  readonly run: (operation: TokenOperation) => Promise<Failure | undefined>;
}

/** With IMMED the answer comes first, and how it ends is only told by RECEIVE ROD TOKEN INFORMATION. */
function offload(
  { server, nexus }: Request,
  { listIdentifier, parameterListLength }: Fields,
  offloaded: Offloaded,
): Outcome | Promise<Outcome> {
  const operations = operationsOf(nexus.tokenOperations, server.unit);
  const operation = beginOperation(operations, listIdentifier, offloaded);
  if (!('state' in operation)) return operation;
  const done = received(parameterListLength);
  const ending = runOperation(operation, () => offloaded.run(operation));
  return offloaded.immediate ? done : ending.then((failure) => failure ?? done);
}

async function populate(
  { target, server }: Request,
  { ranges, timeoutMs }: PopulateParameters,
  operation: TokenOperation,
): Promise<Failure | undefined> {
  const { device, unit } = server;
  const { blockBytes } = device.geometry;
  try {
    const frozen = await device.freeze(ranges);
    if (frozen === undefined) return checkCondition(Sense.INSUFFICIENT_RESOURCES_TO_CREATE_ROD_TOKEN);
    const { naa } = unit.identity;
    operation.token = target.tokens.create({ frozen, ranges, blockBytes, timeoutMs, naa }).bytes;
    operation.blocks = blocksOf(ranges);
    return undefined;
  } catch (error) {
    return storeFailure(error, 'read');
  }
}

async function write(
  request: Request,
  parameters: WriteParameters,
  operation: TokenOperation,
): Promise<Failure | undefined> {
  const { target, server } = request;
  try {
    if (isZeroToken(parameters.token)) {
      await server.device.unmap(parameters.ranges, writeOptions(server, false));
      operation.blocks = blocksOf(parameters.ranges);
      return undefined;
    }
    const { tokens } = target;
    const written = await tokens.using(parameters.token, async (token) => {
      const failure = await writeFrom(request, { token, parameters, operation });
      if (failure === undefined && parameters.deletes) tokens.delete(token);
      return failure;
    });
    return written === undefined || 'failure' in written ? written : checkCondition(written);
  } catch (error) {
    return storeFailure(error, 'write');
  }
}

interface Writing {
  readonly token: RodToken;
  readonly parameters: WriteParameters;
  readonly operation: TokenOperation;
}

/** From OFFSET INTO ROD on, which counts blocks, into one range after the other. */
async function writeFrom(
  { server }: Request,
  { token, parameters, operation }: Writing,
): Promise<Failure | undefined> {
  const { device } = server;
  const { offsetBlocks, ranges } = parameters;
  if (token.blockBytes !== device.geometry.blockBytes)
    return checkCondition(Sense.INVALID_TOKEN_OPERATION_CAUSE_NOT_REPORTABLE);
  if (offsetBlocks + blocksOf(ranges) > blocksOf(token.ranges)) return invalidParameter(8);
  let at = offsetBlocks;
  for (const range of ranges) {
    for (let done = 0; done < range.blocks; ) {
      const from = pieceAt(token.ranges, at, range.blocks - done);
      const to = { lba: range.lba + done, blocks: from.blocks } as BlockRange;
      await copyBlocks(
        { device, range: to },
        { device: token.frozen.device, range: from },
        writeOptions(server, false),
      );
      done += from.blocks;
      at += from.blocks;
      operation.blocks += from.blocks;
    }
  }
  return undefined;
}

/** At most so many blocks from this one of all ranges on, within one of them. */
function pieceAt(ranges: readonly BlockRange[], at: number, blocksMax: number): BlockRange {
  let before = 0;
  for (const { lba, blocks } of ranges) {
    if (at < before + blocks) {
      const offset = at - before;
      return { lba: lba + offset, blocks: Math.min(blocksMax, blocks - offset) } as BlockRange;
    }
    before += blocks;
  }
  throw new StoreError('CLOSED', 'The token ends before that block.');
}
