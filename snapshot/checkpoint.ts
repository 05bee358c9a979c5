/**
 * A checkpoint: the exact state at one record S, in one commit of the ordered values; then the journal up to
 * S goes.
 *
 *   at a boundary   a new journal segment begins; tables, allocator, counts and catalogue are frozen as they
 *                   are (pages changed later are copied first); S is the last record
 *   meanwhile       writes go on, into the new segment
 *   flush           every record up to S, and what it points at, is durable before the commit begins
 *   commit          changed pages, changed objects, S: all or nothing, awaited until it is durable
 *   afterwards      places freed by records up to S need no mark any more; older segments are dropped
 *
 * One that fails leaves the last one as it was: everything is dirty again, and the journal grows until one
 * succeeds.
 */
import type { Allocator } from './allocator.ts';
import type { Catalogue, ChangedObject } from './catalogue.ts';
import type { Checksum } from './checksum.ts';
import type { Committer } from './committer.ts';
import type { StructureCheckpoint } from './copy-on-change.ts';
import type { FreedPlaces } from './free.ts';
import type { JournalSpace, MetaChange, MetaSpace } from './medium/medium.ts';
import { catalogueChanges, POOL_FORMAT, type PoolState, stateChange } from './pool-state.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import type { TableStore } from './table-store.ts';

export interface CheckpointOptions {
  readonly pool: string;
  readonly epoch: number;
  readonly meta: MetaSpace;
  readonly journal: JournalSpace;
  readonly tables: TableStore;
  readonly allocator: Allocator;
  readonly references: ReferenceCounts;
  readonly catalogue: Catalogue;
  readonly freed: FreedPlaces;
  readonly checksum: Checksum;
  readonly after: (ms: number, run: () => void) => () => void;
}

/** Everything as it was at one record. */
export interface FrozenState {
  readonly state: PoolState;
  readonly objects: readonly ChangedObject[];
  readonly structures: readonly StructureCheckpoint[];
}

/** The last record, as the next one has to name it. */
export interface LastRecord {
  readonly sequence: number;
  readonly previous: number;
}

export class Checkpoint {
  readonly #options: CheckpointOptions;

  constructor(options: CheckpointOptions) {
    this.#options = options;
  }

  /** To be run at a boundary, when nothing else changes anything. */
  async freezeAtBoundary(committer: Committer): Promise<FrozenState> {
    const segment = await this.#options.journal.beginSegment();
    return this.freeze({ sequence: committer.sequence, previous: committer.previous }, segment);
  }

  freeze(last: LastRecord, segment: number): FrozenState {
    const { tables, allocator, references, catalogue, freed } = this.#options;
    freed.closeBatch();
    const state: PoolState = {
      format: POOL_FORMAT,
      pool: this.#options.pool,
      sequence: last.sequence,
      checksum: last.previous,
      epoch: this.#options.epoch,
      segment,
      counters: catalogue.counters,
    };
    const structures = [allocator, references, tables].map((structure) => structure.beginCheckpoint());
    return { state, objects: catalogue.takeChanged(), structures };
  }

  /** Every record up to the frozen one must be durable. Returns how many values were stored. */
  async commit(frozen: FrozenState): Promise<number> {
    const { meta, catalogue, freed, journal, checksum } = this.#options;
    let changes: MetaChange[];
    try {
      changes = await this.#gather(frozen.structures);
      changes.push(stateChange(frozen.state, checksum), ...catalogueChanges(frozen.objects, checksum));
      await meta.commit(changes);
    } catch (cause) {
      for (const structure of frozen.structures) structure.failed();
      catalogue.giveBackChanged(frozen.objects);
      throw cause;
    }
    for (const structure of frozen.structures) structure.committed();
    freed.durable(frozen.state.sequence);
    await journal.dropBefore(frozen.state.segment);
    return changes.length;
  }

  /** Encodes slice by slice, so that commands are served in between. */
  async #gather(structures: readonly StructureCheckpoint[]): Promise<MetaChange[]> {
    const changes: MetaChange[] = [];
    for (const structure of structures) {
      await structure.prepare();
      for (const slice of structure.slices()) {
        for (const change of slice) changes.push(change);
        await new Promise<void>((resolve) => this.#options.after(0, resolve));
      }
    }
    return changes;
  }
}
