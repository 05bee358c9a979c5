/**
 * The units that a third-party copy may read and write: those that its nexus is shown, on the conditions of a
 * READ or a WRITE of its own. Other targets are out of reach, since who logged in here has proved nothing
 * there.
 */
import type { Request } from '../command.ts';
import { conflicts } from '../pr/conflict.ts';
import { Sense, type SenseCode } from '../sense.ts';

const ACCESS = {
  read: { reserved: 'read', reserved6: 'conflict' },
  write: { reserved: 'write', reserved6: 'conflict' },
} as const;

/** Why the nexus could not read or write there itself, in the words of a copy that was ended by it. */
export function accessRefusal(
  { server, nexus, task }: Pick<Request, 'server' | 'nexus' | 'task'>,
  access: 'read' | 'write',
): SenseCode | undefined {
  if (server.reserved && conflicts(server, nexus, ACCESS[access], task.cdb))
    return Sense.THIRD_PARTY_DEVICE_FAILURE;
  const standby = server.access.restricted && server.access.refusal(undefined) !== undefined;
  if (standby || !server.mediumReady) return Sense.COPY_TARGET_DEVICE_NOT_REACHABLE;
  if (access === 'write' && server.writeProtected) return Sense.COPY_TARGET_WRITE_PROTECTED;
  return undefined;
}
