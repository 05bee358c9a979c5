/** Gives the pool the commands that change no structure: those of blocks, and those of the whole pool. */
import { copy } from './copy-command.ts';
import * as data from './data-commands.ts';
import * as pool from './pool-commands.ts';
import type { Operation } from './script.ts';
import type { Stage } from './stage.ts';

/** False where the operation is none of them; nothing is issued where it makes no sense now. */
export function issueCommand(stage: Stage, operation: Operation): boolean {
  switch (operation.do) {
    case 'read':
      data.read(stage, operation);
      return true;
    case 'read-snapshot':
      data.readSnapshot(stage, operation);
      return true;
    case 'write':
      data.write(stage, operation);
      return true;
    case 'write-same':
      data.writeSame(stage, operation);
      return true;
    case 'unmap':
      data.unmap(stage, operation);
      return true;
    case 'compare-and-write':
      data.compareAndWrite(stage, operation);
      return true;
    case 'copy':
      copy(stage, operation);
      return true;
    case 'flush':
      data.flush(stage, operation);
      return true;
    case 'diff':
      pool.diff(stage, operation);
      return true;
    case 'grow':
      pool.grow(stage, operation);
      return true;
    case 'check':
      pool.checkOnline(stage, operation);
      return true;
    case 'scrub':
      pool.scrub(stage);
      return true;
    default:
      return false;
  }
}
