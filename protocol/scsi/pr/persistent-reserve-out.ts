/**
 * PERSISTENT RESERVE OUT (SPC-4 §6.16). The verbs of `state.ts` say what the next state is; here the
 * parameter list is read, the state is made durable where that was asked for, it takes effect, and
 * then those concerned are told and the tasks of the preempted end.
 *
 * Commands of one unit take effect one after another: while one waits for the store, later ones queue.
 */
import { bits, u32 } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { type CommandRow, command, type Request } from '../command.ts';
import { type DeviceServer, portsOf } from '../device-server.ts';
import {
  type Failure,
  invalidCdbField,
  invalidParameter,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  RESERVATION_CONFLICT,
  received,
} from '../outcome.ts';
import { viewOf } from '../parameter-data.ts';
import type { TargetPort } from '../target-port.ts';
import { clear, type RegisterParameters, register, registerAndMove, registerAnyway } from './register.ts';
import { preempt, release, reserve } from './reserve.ts';
import { belongsTo, type Change, type NexusName, type PersistentState } from './state.ts';
import { saveReservations } from './store.ts';
import { decodeTransportId } from './transport-id.ts';

/**
 * The basic parameter list (SPC-4 §6.16.3) and that of REGISTER AND MOVE (§6.16.4) without its
 * TransportID.
 */
const PARAMETER_LIST_BYTES = 24;
const FLAGS_BYTE = 20;
const SPEC_I_PT = 0x08;
const ALL_TG_PT = 0x04;
const APTPL = 0x01;
const MOVE_FLAGS_BYTE = 17;
const UNREG = 0x02;

interface Call {
  readonly state: PersistentState;
  readonly nexus: NexusName;
  readonly list: Uint8Array;
  readonly key: bigint;
  readonly serviceActionKey: bigint;
  readonly type: number;
  /** The port that the command came through. */
  readonly targetPort: TargetPort;
  /** Every one through which the unit can be reached, by whichever target. */
  readonly everyTargetPort: () => readonly TargetPort[];
  /** Those of the target that the command came to. */
  readonly targetPorts: () => readonly TargetPort[];
  /** The initiator ports of a device that are logged in to the unit now. */
  readonly portsOfDevice: (deviceName: string) => readonly string[];
}

type Verb = (call: Call) => Change | Failure;

/** The common parameters of REGISTER and its kin. */
function registerParameters(call: Call): RegisterParameters | Failure {
  const flags = call.list[FLAGS_BYTE] as number;
  const initiatorPorts = (flags & SPEC_I_PT) === 0 ? [] : transportIds(call);
  if (!Array.isArray(initiatorPorts)) return initiatorPorts as Failure;
  return {
    reservationKey: call.key,
    serviceActionReservationKey: call.serviceActionKey,
    targetPorts: (flags & ALL_TG_PT) !== 0 ? call.everyTargetPort() : [call.targetPort],
    persistThroughPowerLoss: (flags & APTPL) !== 0,
    initiatorPorts: initiatorPorts as readonly string[],
  };
}

/**
 * The initiator ports of the TransportIDs behind TRANSPORTID PARAMETER DATA LENGTH (SPC-4 Table 234). A
 * device stands for its ports that are known here (§7.6.4.6); with none, nothing could be registered.
 */
function transportIds({ list, portsOfDevice }: Call): readonly string[] | Failure {
  if (list.byteLength < PARAMETER_LIST_BYTES + 4) return PARAMETER_LIST_LENGTH_ERROR;
  const first = PARAMETER_LIST_BYTES + 4;
  const end = first + viewOf(list).getUint32(PARAMETER_LIST_BYTES);
  if (end > list.byteLength) return PARAMETER_LIST_LENGTH_ERROR;
  const ports: string[] = [];
  for (let at = first; at < end; ) {
    const id = decodeTransportId(list.subarray(at, end));
    const named = id?.ofDevice === true ? portsOfDevice(id.name) : id === undefined ? [] : [id.name];
    if (id === undefined || named.length === 0) return invalidParameter(at);
    ports.push(...named);
    at += id.bytes;
  }
  return ports;
}

function moveVerb(call: Call): Change | Failure {
  const view = viewOf(call.list);
  const id = decodeTransportId(call.list.subarray(PARAMETER_LIST_BYTES));
  // The reservation goes to one port: a device's name does not say which (§7.6.4.6).
  if (id === undefined || id.ofDevice || view.getUint32(20) !== id.bytes)
    return invalidParameter(PARAMETER_LIST_BYTES);
  const relativeId = view.getUint16(18);
  const targetPort = call.targetPorts().find((port) => port.relativeId === relativeId);
  if (targetPort === undefined) return invalidParameter(18);
  const flags = call.list[MOVE_FLAGS_BYTE] as number;
  return registerAndMove(call.state, call.nexus, {
    reservationKey: call.key,
    serviceActionReservationKey: call.serviceActionKey,
    unregister: (flags & UNREG) !== 0,
    persistThroughPowerLoss: (flags & APTPL) !== 0,
    targetPort,
    initiatorPort: id.name,
  });
}

function registerVerb(verb: typeof register): Verb {
  return (call) => {
    const parameters = registerParameters(call);
    return 'failure' in parameters ? parameters : verb(call.state, call.nexus, parameters);
  };
}

const preemptVerb: Verb = ({ state, nexus, key, serviceActionKey, type }) =>
  preempt(state, nexus, { key, victimKey: serviceActionKey, type });

/**
 * Why the parameter list cannot be taken, if so; SPEC_I_PT is for REGISTER and REGISTER AND MOVE has
 * its own form.
 */
function refuseList(list: Uint8Array, form: Form, statedBytes: number): Failure | undefined {
  if (statedBytes < PARAMETER_LIST_BYTES || list.byteLength < PARAMETER_LIST_BYTES)
    return PARAMETER_LIST_LENGTH_ERROR;
  if (form.list === 'move') return undefined;
  const specifies = ((list[FLAGS_BYTE] as number) & SPEC_I_PT) !== 0;
  if (specifies && form.list !== 'register') return invalidParameter(FLAGS_BYTE, 3);
  if (!specifies && statedBytes !== PARAMETER_LIST_BYTES) return PARAMETER_LIST_LENGTH_ERROR;
  return undefined;
}

/** The tail of the queue of a unit whose store is busy. */
const queues = new WeakMap<DeviceServer, Promise<unknown>>();

function oneByOne(server: DeviceServer, run: () => MaybePromise<Outcome>): MaybePromise<Outcome> {
  const before = queues.get(server);
  const running = before === undefined ? run() : before.then(run, run);
  if (!(running instanceof Promise)) return running;
  queues.set(server, running);
  const leave = (): void => {
    if (queues.get(server) === running) queues.delete(server);
  };
  running.then(leave, leave);
  return running;
}

function takeEffect(request: Request, next: Change, abort: boolean, result: Outcome): MaybePromise<Outcome> {
  const { server } = request;
  const stored = saveReservations(server.unit.state, next.state);
  const finish = (): MaybePromise<Outcome> => {
    server.persistent = next.state;
    tell(request, next);
    if (!abort || next.preempted.length === 0) return result;
    return abortPreempted(request, next).then(() => result);
  };
  return stored instanceof Promise ? stored.then(finish) : finish();
}

function tell({ server, nexus: sender }: Request, { tell: news }: Change): void {
  for (const { whom, code } of news) {
    server.raise(code, sender, (nexus) => belongsTo(whom, portsOf(nexus)));
  }
}

function portsOfDevice(server: DeviceServer, deviceName: string): readonly string[] {
  const wanted = deviceName.toLowerCase();
  return [...server.nexuses()]
    .filter(({ initiator }) => initiator.deviceName.toLowerCase() === wanted)
    .map(({ initiator }) => initiator.portName);
}

/** The tasks of the preempted nexuses end, at whichever target they are. */
function abortPreempted({ server, nexus: sender }: Request, { preempted }: Change): Promise<void> {
  return server.abortTasks(
    (nexus) => nexus !== sender && preempted.some((victim) => belongsTo(victim, portsOf(nexus))),
  );
}

interface Form {
  readonly list: 'register' | 'plain' | 'move';
  /** SCOPE must be that of a logical unit. */
  readonly scoped: boolean;
  readonly abort: boolean;
}

const PLAIN: Form = { list: 'plain', scoped: false, abort: false };
const SCOPED: Form = { list: 'plain', scoped: true, abort: false };

function outCommand(name: string, serviceAction: number, form: Form, verb: Verb): CommandRow {
  return command({
    name: `PERSISTENT RESERVE OUT, ${name}`,
    opcode: 0x5f,
    serviceAction,
    cite: 'SPC-4 §6.16',
    cdbBytes: 10,
    cdb: { scope: bits(2, 7, 4), type: bits(2, 3, 0), parameterListLength: u32(5) },
    needsMedium: false,
    writes: false,
    // The verbs decide: who is not registered conflicts there.
    reserved: 'allowed',
    reserved6: 'conflict',
    runsIn: 'standby',
    run(request, { scope, type, parameterListLength }) {
      const { server, nexus, task, target } = request;
      if (server.legacyHolder !== undefined) return RESERVATION_CONFLICT;
      if (form.scoped && scope !== 0) return invalidCdbField(2, 7);
      const list = task.dataOut.subarray(0, parameterListLength);
      const refusal = refuseList(list, form, parameterListLength);
      if (refusal !== undefined) return refusal;
      const view = viewOf(list);
      const given = { list, key: view.getBigUint64(0), serviceActionKey: view.getBigUint64(8), type };
      return oneByOne(server, () => {
        const place = {
          nexus: portsOf(nexus),
          targetPort: nexus.targetPort,
          everyTargetPort: () => server.targetPorts(),
          targetPorts: () => target.targetPorts(),
          portsOfDevice: (name: string) => portsOfDevice(server, name),
        };
        const next = verb({ ...given, ...place, state: server.persistent });
        if ('failure' in next) return next;
        if (next.state === server.persistent) return received(parameterListLength);
        return takeEffect(request, next, form.abort, received(parameterListLength));
      });
    },
  });
}

const REGISTERING: Form = { ...PLAIN, list: 'register' };

export const PERSISTENT_RESERVE_OUT: readonly CommandRow[] = [
  outCommand('REGISTER', 0x00, REGISTERING, registerVerb(register)),
  outCommand('RESERVE', 0x01, SCOPED, ({ state, nexus, key, type }) => reserve(state, nexus, { key, type })),
  outCommand('RELEASE', 0x02, SCOPED, ({ state, nexus, key, type }) => release(state, nexus, { key, type })),
  outCommand('CLEAR', 0x03, PLAIN, ({ state, nexus, key }) => clear(state, nexus, key)),
  outCommand('PREEMPT', 0x04, SCOPED, preemptVerb),
  outCommand('PREEMPT AND ABORT', 0x05, { ...SCOPED, abort: true }, preemptVerb),
  outCommand('REGISTER AND IGNORE EXISTING KEY', 0x06, PLAIN, registerVerb(registerAnyway)),
  outCommand('REGISTER AND MOVE', 0x07, { ...PLAIN, list: 'move' }, moveVerb),
];
