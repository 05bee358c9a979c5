/**
 * RESERVE(6) and RELEASE(6) (SPC-2 §7.21, §7.16), for initiators of the time before persistent
 * reservations. Beside persistent reservations they follow SPC-4 §5.13.3 (CRH): where one stands they
 * do nothing for those who have access anyway, and conflict for everyone else.
 */
import { command, type Request } from '../command.ts';
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

export const RESERVE_6 = command({
  name: 'RESERVE(6)',
  opcode: 0x16,
  cite: 'SPC-2 §7.21',
  cdbBytes: 6,
  cdb: {},
  needsMedium: false,
  writes: false,
  // The handler decides: CRH has its own rule for every nexus.
  reserved: 'allowed',
  reserved6: 'conflict',
  run(request) {
    const beside = besidePersistent(request);
    if (beside === undefined) request.server.legacyHolder = request.nexus;
    return beside ?? DONE;
  },
});

export const RELEASE_6 = command({
  name: 'RELEASE(6)',
  opcode: 0x17,
  cite: 'SPC-2 §7.16',
  cdbBytes: 6,
  cdb: {},
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  // A release by a nexus that holds nothing does nothing.
  reserved6: 'allowed',
  run(request) {
    const beside = besidePersistent(request);
    const { server, nexus } = request;
    if (beside === undefined && server.legacyHolder === nexus) server.legacyHolder = undefined;
    return beside ?? DONE;
  },
});
