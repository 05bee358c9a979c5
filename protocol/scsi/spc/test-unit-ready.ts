import { command } from '../command.ts';
import { DONE } from '../outcome.ts';

export const TEST_UNIT_READY = command({
  name: 'TEST UNIT READY',
  opcode: 0x00,
  cite: 'SPC-4 §6.47',
  cdbBytes: 6,
  cdb: {},
  needsMedium: true,
  writes: false,
  reserved: 'allowed',
  reserved6: 'conflict',
  run: () => DONE,
});
