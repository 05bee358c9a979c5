/** Gives the pool the commands that read and write blocks. */
import { copy } from './copy-command.ts';
import * as data from './data-commands.ts';
import type { Operation } from './script.ts';
import type { Stage } from './stage.ts';

/** False where the operation is none of them; nothing is issued where it makes no sense now. */
export function issueData(stage: Stage, operation: Operation): boolean {
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
    default:
      return false;
  }
}
