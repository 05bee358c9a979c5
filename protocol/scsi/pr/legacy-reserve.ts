/**
 * RESERVE and RELEASE, (6) and (10) (SPC-2 §7.16, §7.17, §7.21, §7.22), for initiators of the time before
 * persistent reservations. Beside persistent reservations they follow SPC-4 §5.13.3 (CRH): where one stands
 * they do nothing for those who have access anyway, and conflict for everyone else. Both lengths make one
 * and the same reservation. Third parties, extents and parameter lists are refused: they are obsolete.
 */
import { bit, type Layout, u8, u16 } from 'node-iscsi-pdu/fields';
import { type CommandRow, command, type LegacyReservedAccess, type Request } from '../command.ts';
import { portsOf } from '../device-server.ts';
import { DONE, type Outcome, RESERVATION_CONFLICT } from '../outcome.ts';
import { holds, isForRegistrants, registrationOf } from './state.ts';

/** What persistent registrations make of the command; undefined when there are none. */
function besidePersistent({ server, nexus }: Request): Outcome | undefined {
  const { registrations, reservation } = server.persistent;
  if (registrations.length === 0) return undefined;
  const own = registrationOf(server.persistent, portsOf(nexus));
  if (own === undefined || reservation === undefined) return RESERVATION_CONFLICT;
  return holds(server.persistent, own) || isForRegistrants(reservation.type) ? DONE : RESERVATION_CONFLICT;
}

function reserve(request: Request): Outcome {
  const beside = besidePersistent(request);
  if (beside === undefined) request.server.legacyHolder = request.nexus;
  return beside ?? DONE;
}

function release(request: Request): Outcome {
  const beside = besidePersistent(request);
  const { server, nexus } = request;
  if (beside === undefined && server.legacyHolder === nexus) server.legacyHolder = undefined;
  return beside ?? DONE;
}

interface LegacyForm {
  readonly name: string;
  readonly opcode: number;
  readonly cite: string;
  readonly cdbBytes: 6 | 10;
  readonly reserved6: LegacyReservedAccess;
  run(request: Request): Outcome;
}

/** Fields of the (10) forms that SPC-2 names and nobody may use here. */
const THIRD_PARTY: Layout = {
  thirdParty: bit(1, 4),
  longIdentifier: bit(1, 1),
  extent: bit(1, 0),
  reservationIdentification: u8(2),
  thirdPartyDeviceId: u8(3),
  parameterListLength: u16(7),
};

function legacyCommand(form: LegacyForm): CommandRow {
  return command({
    ...form,
    cdb: {},
    refused: form.cdbBytes === 10 ? THIRD_PARTY : {},
    needsMedium: false,
    writes: false,
    // The handler decides: CRH has its own rule for every nexus.
    reserved: 'allowed',
  });
}

export const RESERVE_6 = legacyCommand({
  name: 'RESERVE(6)',
  opcode: 0x16,
  cite: 'SPC-2 §7.22',
  cdbBytes: 6,
  reserved6: 'conflict',
  run: reserve,
});

export const RESERVE_10 = legacyCommand({
  name: 'RESERVE(10)',
  opcode: 0x56,
  cite: 'SPC-2 §7.21',
  cdbBytes: 10,
  reserved6: 'conflict',
  run: reserve,
});

export const RELEASE_6 = legacyCommand({
  name: 'RELEASE(6)',
  opcode: 0x17,
  cite: 'SPC-2 §7.17',
  cdbBytes: 6,
  // A release by a nexus that holds nothing does nothing.
  reserved6: 'allowed',
  run: release,
});

export const RELEASE_10 = legacyCommand({
  name: 'RELEASE(10)',
  opcode: 0x57,
  cite: 'SPC-2 §7.16',
  cdbBytes: 10,
  reserved6: 'allowed',
  run: release,
});
