/**
 * The one pipeline of every command, with one order of checks (precedence: SAM-5 §5.3.4, SPC-4 §5.13.1):
 *
 *   the LUN stands for a unit → the command exists → unit attention → asymmetric access → reservation
 *   → bits of the CDB → medium present → write protection → the command itself
 *
 * and the one place where an outcome becomes a status byte and sense data.
 */
import type { MaybePromise } from '../../lun/units.ts';
import type { AbsentRequest, CommandRow, Request } from './command.ts';
import {
  checkCondition,
  type Failure,
  invalidCdbField,
  isFailure,
  type Outcome,
  RESERVATION_CONFLICT,
  Status,
  storeFailure,
} from './outcome.ts';
import { conflicts } from './pr/conflict.ts';
import { encodeSense, Sense, type SenseCode } from './sense.ts';
import type { TaskResult } from './task.ts';

const UNKNOWN_OPCODE = checkCondition(Sense.INVALID_COMMAND_OPERATION_CODE);
const UNKNOWN_UNIT = checkCondition(Sense.LOGICAL_UNIT_NOT_SUPPORTED);
const READ_ONLY = checkCondition(Sense.WRITE_PROTECTED);
const SOFTWARE_READ_ONLY = checkCondition(Sense.LOGICAL_UNIT_SOFTWARE_WRITE_PROTECTED);
const PREVIOUS_STATUS: Readonly<Record<Failure['failure'], SenseCode | undefined>> = {
  'check-condition': undefined,
  busy: Sense.PREVIOUS_BUSY_STATUS,
  'task-set-full': Sense.PREVIOUS_TASK_SET_FULL_STATUS,
  'reservation-conflict': Sense.PREVIOUS_RESERVATION_CONFLICT_STATUS,
};
const ACA_WITHOUT_ACA = checkCondition(Sense.INVALID_MESSAGE_ERROR);

/**
 * Runs a command on its unit. A failure of the store is an outcome; anything else thrown is our own
 * fault.
 */
export function execute(request: Request): MaybePromise<TaskResult> {
  const row = request.target.commands.find(request.task.cdb);
  if (row === undefined) return toResult(request, unknown(request));
  const refusal = refuse(request, row);
  if (refusal !== undefined) return toResult(request, refusal);
  let outcome: MaybePromise<Outcome>;
  try {
    outcome = row.run(request);
  } catch (error) {
    outcome = storeFailure(error, row.writes ? 'write' : 'read');
  }
  return outcome instanceof Promise ? settle(request, row, outcome) : settled(request, row, outcome);
}

/**
 * A command for a LUN without a unit: three commands answer, the others do not (SPC-4 §6.6, §6.33,
 * §6.39).
 */
export function executeAbsent(request: AbsentRequest): TaskResult {
  const row = request.target.commands.find(request.task.cdb);
  if (row?.absent === undefined) return failed(UNKNOWN_UNIT, false);
  const bit = row.misused(request.task.cdb);
  const outcome = bit === undefined ? row.absent(request) : invalidCdbField(bit.byte, bit.bit);
  return isFailure(outcome) ? failed(outcome, false) : outcome;
}

function unknown({ target, task }: Request): Failure {
  const hasServiceActions = target.commands.hasServiceActions(task.cdb[0] as number);
  return hasServiceActions ? invalidCdbField(1, 4) : UNKNOWN_OPCODE;
}

/** The first check that the command does not pass. */
function refuse({ server, nexus, task }: Request, row: CommandRow): Failure | undefined {
  const { cdb } = task;
  if (row.available !== undefined && !row.available(server.unit)) return UNKNOWN_OPCODE;
  if (task.attribute === 'aca') return ACA_WITHOUT_ACA;
  if (nexus.attentions.pending !== 0 && row.ignoresAttention !== true) {
    const code = server.modes.attentionsStay ? nexus.attentions.peek(server) : nexus.attentions.take(server);
    if (code !== undefined) return checkCondition(code);
  }
  const standby = server.access.restricted ? server.access.refusal(row.runsIn) : undefined;
  if (standby !== undefined) return standby;
  if (server.reserved && conflicts(server, nexus, row, cdb)) return RESERVATION_CONFLICT;
  const bit = row.misused(cdb);
  if (bit !== undefined) return invalidCdbField(bit.byte, bit.bit);
  const unready = server.mediumReady ? undefined : server.unreadyFor(row);
  if (unready !== undefined) return unready;
  if (row.writes && server.writeProtected) return server.unit.readOnly ? READ_ONLY : SOFTWARE_READ_ONLY;
  return undefined;
}

/** Without a function of its own that waits: every write comes by here. */
function settle(request: Request, row: CommandRow, running: Promise<Outcome>): Promise<TaskResult> {
  return running.then(
    (outcome) => settled(request, row, outcome),
    (error: unknown) => settled(request, row, storeFailure(error, row.writes ? 'write' : 'read')),
  );
}

function settled(request: Request, row: CommandRow, outcome: Outcome): TaskResult {
  if (row.transfers !== undefined) request.server.statistics.count(row.transfers, outcome);
  return toResult(request, outcome);
}

function toResult({ server, nexus }: Request, outcome: Outcome): TaskResult {
  if (!isFailure(outcome)) return outcome;
  if (server.modes.statusesAttend) attend(server, nexus, outcome);
  return failed(outcome, server.modes.descriptorSense);
}

/** UA_INTLCK_CTRL 11b: a status that a queue of commands would hide is told once more (SPC-4 Table 455). */
export function attend(server: Request['server'], nexus: Request['nexus'], { failure }: Failure): void {
  const code = PREVIOUS_STATUS[failure];
  if (code !== undefined) nexus.attentions.raise(server, code);
}

/** Words a failure as status and sense. */
export function failed(failure: Failure, descriptorSense: boolean): TaskResult {
  const transferBytes = failure.transferBytes ?? 0;
  switch (failure.failure) {
    case 'check-condition': {
      const sense = encodeSense(
        failure.sense ?? Sense.INTERNAL_TARGET_FAILURE,
        descriptorSense,
        failure.detail,
      );
      return { status: Status.CHECK_CONDITION, sense, transferBytes };
    }
    case 'reservation-conflict':
      return { status: Status.RESERVATION_CONFLICT, transferBytes };
    case 'busy':
      return { status: Status.BUSY, transferBytes };
    case 'task-set-full':
      return { status: Status.TASK_SET_FULL, transferBytes };
    default:
      return failure.failure satisfies never;
  }
}
