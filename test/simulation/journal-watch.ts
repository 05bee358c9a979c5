/**
 * Lays every record of the journal at the door of the command that it belongs to. What the background does
 * changes nothing that anyone reads: the history passes over it, once what is moved is what is there.
 */
import type { CheckedChange } from '../../snapshot/check-catalogue.ts';
import type { CheckedExtent, CheckedRecord } from '../../snapshot/check-journal.ts';
import { Disagreement } from './disagreement.ts';
import type { History } from './history.ts';
import type { StructureCommand } from './stage.ts';

const BACKGROUND: ReadonlySet<CheckedExtent['kind']> = new Set(['reclaim', 'merge', 'sweep']);

/** A record was appended while these structural commands were under way. */
export function noteRecord(
  history: History,
  { sequence, body }: CheckedRecord,
  structures: readonly StructureCommand[],
): void {
  if (sequence !== history.appended + 1) {
    throw new Disagreement(`record ${sequence} follows record ${history.appended}`);
  }
  if (body.kind === 'write') noteWrites(history, sequence, body.extents);
  else if (body.kind === 'structure') noteStructure(history, { sequence, change: body.change }, structures);
  else history.passed(sequence);
}

function noteWrites(history: History, sequence: number, extents: readonly CheckedExtent[]): void {
  for (const extent of extents) if (extent.kind === 'move') history.moved(sequence, extent);
  const told = extents.filter(({ kind }) => !BACKGROUND.has(kind) && kind !== 'move');
  if (told.length === 0) history.passed(sequence);
  else history.wrote(sequence, told);
}

function noteStructure(
  history: History,
  { sequence, change }: { readonly sequence: number; readonly change: CheckedChange },
  structures: readonly StructureCommand[],
): void {
  for (const [id, vlun] of change.vluns) if (vlun !== null) history.learnName(id, vlun.name);
  const found = structures.find(({ command, recognises }) => !command.restructured && recognises(change));
  if (found !== undefined) history.restructured(sequence, found.command);
  else if (change.vluns.length + change.snapshots.length + change.documents.length === 0) {
    history.passed(sequence);
  } else throw new Disagreement(`nobody asked for the structure record ${sequence}`);
}
