import { COMMANDS } from './commands.ts';
import { TRAFFIC_KINDS } from './traffic.ts';

const OTHER = TRAFFIC_KINDS.indexOf('other');
const FLUSHES = /^SYNCHRONIZE CACHE/;

/** Those that are told apart by a service action are of no kind of their own. */
const BY_OPCODE = Uint8Array.from({ length: 256 }, (_, opcode) => {
  const row = COMMANDS.findBy(opcode, undefined);
  if (row === undefined) return OTHER;
  const special = FLUSHES.test(row.name) ? 'flush' : row.name === 'UNMAP' ? 'unmap' : 'other';
  return TRAFFIC_KINDS.indexOf(row.transfers ?? special);
});

/** What a command counts as: an index of TRAFFIC_KINDS. */
export function trafficKind(cdb: Uint8Array): number {
  return BY_OPCODE[cdb[0] as number] as number;
}
