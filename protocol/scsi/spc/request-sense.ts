import { bit, u8 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { truncated } from '../outcome.ts';
import { encodeSense, Sense } from '../sense.ts';

/**
 * Sense data goes with every CHECK CONDITION (autosense), so nothing waits here but unit attentions:
 * the next one is reported as parameter data and cleared (SPC-4 §6.39).
 */
export const REQUEST_SENSE = command({
  name: 'REQUEST SENSE',
  opcode: 0x03,
  cite: 'SPC-4 §6.39',
  cdbBytes: 6,
  cdb: { descriptorFormat: bit(1, 0), allocationLength: u8(4) },
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'allowed',
  runsInSanitize: true,
  runsIn: 'unavailable',
  ignoresAttention: true,
  run({ server, nexus }, { descriptorFormat, allocationLength }) {
    const attention = nexus.attentions.take(server);
    const unready = attention === undefined ? server.notReady() : undefined;
    const code = attention ?? unready?.sense ?? Sense.NO_ADDITIONAL_SENSE_INFORMATION;
    return truncated(encodeSense(code, descriptorFormat, unready?.detail), allocationLength);
  },
  absent(_request, { descriptorFormat, allocationLength }) {
    return truncated(encodeSense(Sense.LOGICAL_UNIT_NOT_SUPPORTED, descriptorFormat), allocationLength);
  },
});
