/**
 * Whether a command conflicts with a reservation that another nexus holds (SPC-4 Table 69, SPC-2 Table
 * 10).
 */
import type { CommandRow } from '../command.ts';
import { type DeviceServer, portsOf } from '../device-server.ts';
import type { NexusState } from '../nexus-state.ts';
import { holds, isForRegistrants, isWriteExclusive, registrationOf } from './state.ts';

/** Asked only while the unit is reserved. */
export function conflicts(
  server: DeviceServer,
  nexus: NexusState,
  row: Pick<CommandRow, 'reserved' | 'reserved6'>,
  cdb: Uint8Array,
): boolean {
  const { legacyHolder, persistent } = server;
  if (legacyHolder !== undefined && legacyHolder !== nexus) {
    const access = typeof row.reserved6 === 'function' ? row.reserved6(cdb) : row.reserved6;
    if (access === 'conflict') return true;
  }
  const { reservation } = persistent;
  if (reservation === undefined) return false;
  const access = typeof row.reserved === 'function' ? row.reserved(cdb) : row.reserved;
  if (access === 'allowed' || (access === 'read' && isWriteExclusive(reservation.type))) return false;
  const own = registrationOf(persistent, portsOf(nexus));
  if (own === undefined) return true;
  return !isForRegistrants(reservation.type) && !holds(persistent, own);
}
