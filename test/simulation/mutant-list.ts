/**
 * Deliberate faults: small changes of the engine that break one rule each, and that the simulation has to
 * notice (mutants.ts). Those that the design names come first.
 *
 * One that is not here: a flusher that forgets to refuse after the pool has failed. Whoever flushes has
 * passed the gate in the same turn, and a flush that was under way when something else failed is as good as
 * it says; so nothing that anyone sees depends on it, and it is a second belt. Nor are three that some
 * thousand seeds would be needed for. Places used again after their record is durable but no mark is, and
 * while a reader of a snapshot that was deleted is still under way: test/unit/snapshot/free.test.ts; a move
 * into an image that came between the read and the move: test/unit/snapshot/reorder.test.ts.
 */

/** `find` is text of the source without its types, however its lines are broken; it occurs once in the file. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

export interface Mutant {
  /** Which of the faults that the design names it is, if any. */
  readonly fault?: string;
  readonly what: string;
  readonly edits: readonly Edit[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    fault: 'skip the lock',
    what: 'P8: changes lock as readers do',
    edits: [
      {
        file: 'snapshot/vlun-device.ts',
        find: 'acquire(this.#node.lock, ranges, true)',
        put: 'acquire(this.#node.lock, ranges, false)',
      },
    ],
  },
  {
    fault: 'drop a flush',
    what: 'of the data',
    edits: [
      {
        file: 'snapshot/flusher.ts',
        find: 'Promise.all([data.flush(), journal.flush()])',
        put: 'Promise.all([journal.flush()])',
      },
    ],
  },
  {
    fault: 'drop a flush',
    what: 'of the journal',
    edits: [
      {
        file: 'snapshot/flusher.ts',
        find: 'Promise.all([data.flush(), journal.flush()])',
        put: 'Promise.all([data.flush()])',
      },
    ],
  },
  {
    fault: 'reuse a place early',
    what: 'as soon as its entry is gone',
    edits: [
      {
        file: 'snapshot/free.ts',
        find: 'async keepUnreferenced() {',
        put: 'async keepUnreferenced() { this.replayed = true;',
      },
      {
        file: 'snapshot/free.ts',
        find: 'const { runs } = this.#open;',
        put: 'if (this.replayed) return this.#options.allocator.abandon(place, 1); const { runs } = this.#open;',
      },
    ],
  },
  {
    fault: 'forget P5',
    what: 'a whole-block write leaves the entries of trackers',
    edits: [{ file: 'snapshot/apply.ts', find: 'if (whole)', put: 'if (false)' }],
  },
  {
    fault: 'forget P5 for a part',
    what: 'P11: it does not reach trackers that read something else',
    edits: [{ file: 'snapshot/merge.ts', find: 'if (place !== above.place ||', put: 'if (false &&' }],
  },
  {
    fault: 'forget P5 for a part',
    what: 'P13: it reaches only trackers with a live entry',
    edits: [{ file: 'snapshot/merge.ts', find: 'if (place !== above.place ||', put: 'if (' }],
  },
  {
    fault: 'acknowledge early',
    what: 'before the record is appended',
    edits: [
      {
        file: 'snapshot/committer.ts',
        find: 'return appended.then(() => this.#apply(batch));',
        put: 'for (const placed of batch.placed) placed.finish(undefined); return appended.then(() => this.#apply(batch));',
      },
    ],
  },
  {
    fault: 'acknowledge early',
    what: 'FUA before its flush',
    edits: [{ file: 'snapshot/aligned-write.ts', find: 'if (!this.#options.durable) {', put: 'if (true) {' }],
  },
  {
    fault: 'acknowledge early',
    what: 'a structural verb before it is durable',
    edits: [{ file: 'snapshot/structure-writer.ts', find: 'await this.#options.flusher.flush();', put: '' }],
  },
  {
    fault: 'mark before sync',
    what: 'the mark is appended before data and journal are flushed',
    edits: [
      {
        file: 'snapshot/flusher.ts',
        find: 'await Promise.all([data.flush(), journal.flush()]);',
        put: 'if (sequence > marked && this.#dirtySequence > marked) this.#mark(sequence); await Promise.all([data.flush(), journal.flush()]);',
      },
    ],
  },
  {
    fault: 'fuzzy checkpoint',
    what: 'it sees what changed after it began',
    edits: [
      {
        file: 'snapshot/copy-on-change.ts',
        find: 'frozen.copies.set(item, this.#options.copy(item));',
        put: '',
      },
    ],
  },
  {
    fault: 'journal dropped early',
    what: 'before the commit of the checkpoint',
    edits: [
      {
        file: 'snapshot/checkpoint.ts',
        find: 'await meta.commit(changes);',
        put: 'await journal.dropBefore(frozen.state.segment); await meta.commit(changes);',
      },
    ],
  },
  {
    fault: 'punch after reuse',
    what: 'a trim of free places does not wait for its discard',
    edits: [
      {
        file: 'snapshot/free.ts',
        find: 'await this.#discard(place, blocks);',
        put: 'void this.#discard(place, blocks);',
      },
    ],
  },
  {
    fault: 'stale tail replayed',
    what: 'a record need not follow the one before it',
    edits: [
      {
        file: 'snapshot/journal-reader.ts',
        find: "const why = typeof record === 'string' ? record : linkFault(before, record);",
        put: "const why = typeof record === 'string' ? record : undefined;",
      },
    ],
  },
  {
    fault: 'image instead of VLUN in the record',
    what: 'the live image when the write was begun',
    edits: [
      {
        file: 'snapshot/aligned-write.ts',
        find: 'this.pieces = [{ ',
        put: 'this.pieces = [{ image: node.vlun.live, ',
      },
      { file: 'snapshot/batch.ts', find: 'kind: piece.kind,', put: 'image: piece.image, kind: piece.kind,' },
      {
        file: 'snapshot/apply.ts',
        find: 'const { live } = node.vlun; this.#allocator',
        put: 'const live = extent.image ?? node.vlun.live; this.#allocator',
      },
      {
        file: 'snapshot/apply.ts',
        find: 'const { live } = node.vlun; const free',
        put: 'const live = extent.image ?? node.vlun.live; const free',
      },
    ],
  },
  {
    what: 'a flush that succeeds after one that failed counts',
    edits: [
      { file: 'snapshot/flusher.ts', find: "this.#options.onFailure('a flush failed', cause);", put: '' },
    ],
  },
  {
    what: 'P13: a snapshot of a tracker does not freeze what it tracks',
    edits: [
      {
        file: 'snapshot/layers.ts',
        find: 'const above = vlun.tracks === undefined ? undefined : freezeUpwards(draft, vlun.tracks, frozen);',
        put: 'const above = undefined;',
      },
    ],
  },
  {
    what: 'a record is appended before its data is written',
    edits: [{ file: 'snapshot/committer.ts', find: 'if (!(stored instanceof Promise))', put: 'if (true)' }],
  },
  {
    what: 'recovery believes records whose data is not there',
    edits: [
      {
        file: 'snapshot/verify-data.ts',
        find: 'record.sequence > this.#options.flushedSequence ?',
        put: 'false ?',
      },
    ],
  },
  {
    what: 'recovery gives back places that are in use again',
    edits: [
      {
        file: 'snapshot/free.ts',
        find: 'if (!(await this.#options.allocator.isReferenced(place)))',
        put: '',
      },
    ],
  },
  {
    what: 'a checkpoint does not wait for the flush of what it covers',
    edits: [{ file: 'snapshot/checkpointer.ts', find: 'await flusher.flush();', put: '' }],
  },
  {
    what: 'a cached page of merged images is not told of changes',
    edits: [{ file: 'snapshot/resolve.ts', find: 'if (view.resolved.size === 0)', put: 'if (true)' }],
  },
  {
    what: 'the counters of an image count wrongly',
    edits: [
      { file: 'snapshot/table-store.ts', find: 'table.stats.data += data;', put: 'table.stats.data += 1;' },
    ],
  },
  {
    what: 'COMPARE AND WRITE does not compare',
    edits: [{ file: 'snapshot/vlun-device.ts', find: 'if (different !== undefined)', put: 'if (false)' }],
  },
  {
    what: 'COMPARE AND WRITE may be cut into several records',
    edits: [
      {
        file: 'snapshot/vlun-device.ts',
        find: 'await this.#submit(await this.#pieces(span, replacement), true);',
        put: 'await this.#submit(await this.#pieces(span, replacement), false);',
      },
    ],
  },
  {
    what: 'WRITE ATOMIC of whole pool blocks may be cut into several records',
    edits: [
      {
        file: 'snapshot/aligned-write.ts',
        find: 'this.atomic = options.atomic;',
        put: 'this.atomic = false;',
      },
    ],
  },
  {
    what: 'a free ignores the counts of shared places',
    edits: [
      {
        file: 'snapshot/apply.ts',
        find: 'this.#references.release(place, blocks, this.#lostLast)',
        put: 'this.#lostLast(place, blocks)',
      },
    ],
  },
  {
    what: 'a copy by reference is not counted',
    edits: [
      {
        file: 'snapshot/apply.ts',
        find: 'this.#references.share(place, blocks);',
        put: ';',
      },
    ],
  },
  {
    what: 'a copy takes what was deleted meanwhile',
    edits: [{ file: 'snapshot/committer.ts', find: 'item.shares?.from.gone === true', put: 'false' }],
  },
  {
    what: 'a copy between families does not hold its source',
    edits: [{ file: 'snapshot/vlun-device.ts', find: 'holding(lock, span, run)', put: 'run()' }],
  },
  {
    what: 'P5: a copy by reference leaves the entries of trackers',
    edits: [
      {
        file: 'snapshot/apply.ts',
        find: 'this.#free(this.#tables.remove(live, run.block + i));',
        put: '',
      },
    ],
  },
  {
    what: 'a copy overwrites what it has still to take',
    edits: [
      {
        file: 'snapshot/vlun-device.ts',
        find: 'within && span.offsetBytes < to.offsetBytes',
        put: 'false && span.offsetBytes < to.offsetBytes',
      },
    ],
  },
  {
    what: 'a checkpoint leaves the counts of shared places out',
    edits: [
      {
        file: 'snapshot/reference-counts.ts',
        find: 'this.#pageChanges.changing(page); return page;',
        put: 'return page;',
      },
    ],
  },
  {
    what: 'blocks are put in order without their lock',
    edits: [
      {
        file: 'snapshot/reorder.ts',
        find: 'this.#underWay += 1;',
        put: 'this.#underWay += 1; lock.release(ticket);',
      },
      { file: 'snapshot/reorder.ts', find: 'this.node.lock.release(this.#ticket);', put: '' },
    ],
  },
  {
    what: 'a move is applied as a write: trackers lose what they have',
    edits: [
      {
        file: 'snapshot/apply.ts',
        find: "whole: extent.kind === 'write'",
        put: "whole: extent.kind !== 'patch'",
      },
    ],
  },
];
