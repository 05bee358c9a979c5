/** The medium of a removable unit: START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL. */
import { bit, bits } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { command, type Request } from '../command.ts';
import { checkCondition, DONE, invalidCdbField, type Outcome } from '../outcome.ts';
import { Sense } from '../sense.ts';

const START_BIT = 0x01;
const POWER_CONDITION_MASK = 0xf0;

/**
 * Starting an active unit takes nothing from anyone; stopping, ejecting and power conditions do (SBC-3
 * Table 13).
 */
function startStopAccess(cdb: Uint8Array): 'allowed' | 'write' {
  const byte = cdb[4] as number;
  return (byte & START_BIT) !== 0 && (byte & POWER_CONDITION_MASK) === 0 ? 'allowed' : 'write';
}

/**
 * START STOP UNIT (SBC-3 §5.25). There is no spindle: a stop makes data durable and the unit stays
 * ready; power conditions, known or not, are accepted and change nothing. LOEJ ejects and loads the
 * medium of a removable unit unless a nexus prevents that.
 */
export const START_STOP_UNIT = command({
  name: 'START STOP UNIT',
  opcode: 0x1b,
  cite: 'SBC-3 §5.25',
  cdbBytes: 6,
  cdb: {
    immediate: bit(1, 0),
    powerConditionModifier: bits(3, 3, 0),
    powerCondition: bits(4, 7, 4),
    noFlush: bit(4, 2),
    loadEject: bit(4, 1),
    start: bit(4, 0),
  },
  needsMedium: false,
  writes: false,
  reserved: startStopAccess,
  reserved6: 'conflict',
  run(request, { powerCondition, noFlush, loadEject, start }): MaybePromise<Outcome> {
    if (powerCondition !== 0) return DONE;
    const { server } = request;
    if (loadEject && !server.unit.removable) return invalidCdbField(4, 1);
    if (loadEject && server.preventers.size > 0) return checkCondition(Sense.MEDIUM_REMOVAL_PREVENTED);
    if (!start) server.statistics.stops += 1;
    const after = (): Outcome => (loadEject ? move(request, start) : DONE);
    if (start || noFlush || !server.mediumPresent) return after();
    const flushing = server.device.flush();
    return flushing instanceof Promise ? flushing.then(after) : after();
  },
});

function move({ server, nexus }: Request, present: boolean): Outcome {
  const loaded = present && !server.mediumPresent;
  server.mediumPresent = present;
  if (loaded) server.raise(Sense.NOT_READY_TO_READY_CHANGE, nexus);
  return DONE;
}

const PREVENT_BIT = 0x01;

function isPrevent(cdb: Uint8Array): boolean {
  return ((cdb[4] as number) & PREVENT_BIT) !== 0;
}

/** PREVENT ALLOW MEDIUM REMOVAL (SBC-3 §5.10). The second bit of PREVENT is obsolete and refused. */
export const PREVENT_ALLOW_MEDIUM_REMOVAL = command({
  name: 'PREVENT ALLOW MEDIUM REMOVAL',
  opcode: 0x1e,
  cite: 'SBC-3 §5.10',
  cdbBytes: 6,
  cdb: { prevent: bit(4, 0) },
  needsMedium: false,
  writes: false,
  reserved: (cdb) => (isPrevent(cdb) ? 'write' : 'allowed'),
  reserved6: (cdb) => (isPrevent(cdb) ? 'conflict' : 'allowed'),
  available: ({ removable }) => removable,
  run({ server, nexus }, { prevent }) {
    if (prevent) server.preventers.add(nexus);
    else server.preventers.delete(nexus);
    return DONE;
  },
});
