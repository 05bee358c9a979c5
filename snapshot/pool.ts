/**
 * A pool: where images live; the unit of ownership, of atomicity across VLUNs and of failover. This file
 * holds the public verbs; what each does to the catalogue stands in a file of its own, and how it takes
 * effect in structure-writer.ts. A verb returns when its record is appended and flushed.
 */
import { OperatorError } from '../lun/errors.ts';
import type { LogicalUnit } from '../lun/logical-unit.ts';
import { type Draft, FIRST_COUNTERS, type VlunObject } from './catalogue.ts';
import type { CheckReport } from './check.ts';
import { clone } from './clone.ts';
import { ContentVerbs } from './contents.ts';
import { createVlun } from './create.ts';
import { deleteSnapshot, deleteVlun } from './delete.ts';
import { diffRanges } from './diff.ts';
import { Lookup } from './lookup.ts';
import { type Medium, PLACES_MAX, POOL_BLOCK_BYTES } from './medium/medium.ts';
import { checkServing } from './online-check.ts';
import { openService } from './open.ts';
import { snapshotInfo, snapshotsInOrder, vlunInfo } from './pool-info.ts';
import { loadState, POOL_FORMAT, stateChange } from './pool-state.ts';
import type * as Types from './pool-types.ts';
import { preserve } from './preserve.ts';
import { release } from './release.ts';
import type { OnScrubProgress } from './scrub.ts';
import type { ScrubReport } from './scrub-report.ts';
import type { PoolService } from './service.ts';
import type { SeveralRequest } from './several.ts';
import { createSnapshots } from './snapshot.ts';
import { isStaging, stage } from './staging.ts';
import { Units } from './units.ts';
import { UsageAccount } from './usage.ts';
import { changeCatalogue } from './verb.ts';

const POOL_NUMBER_BYTES = 16;

export class Pool {
  readonly documents: Types.Documents;
  readonly #service: PoolService;
  readonly #units: Units;
  readonly #usage: UsageAccount;
  readonly #lookup: Lookup;
  readonly #contents: ContentVerbs;
  /** The last growth that was asked for: two at once would meet in the medium in any order. */
  #growth = Promise.resolve();

  private constructor(service: PoolService) {
    this.#service = service;
    this.#units = new Units(service);
    this.#usage = new UsageAccount(service);
    this.#lookup = new Lookup(service.parts);
    this.#contents = new ContentVerbs({ service, units: this.#units, lookup: this.#lookup });
    service.onThreshold = () => this.#units.tellWriters('space-threshold');
    const { documents } = service.parts.catalogue;
    this.documents = {
      get: (name) => documents.get(name),
      names: (prefix = '') => [...documents.keys()].filter((name) => name.startsWith(prefix)).sort(),
      put: async (changes) => this.#verb({ documents: changes }, () => undefined),
    };
  }

  /** Nothing was ever stored on the medium. */
  static async isEmpty(medium: Medium, environment: Types.PoolEnvironment): Promise<boolean> {
    return (await loadState(medium.meta, (bytes) => environment.checksum(bytes))) === undefined;
  }

  /** Formats an empty medium and opens it. OperatorError 'exists' when there is a pool on it. */
  static async create(
    medium: Medium,
    environment: Types.PoolEnvironment,
    options?: Partial<Types.PoolOptions>,
  ): Promise<Pool> {
    if (!(await Pool.isEmpty(medium, environment))) {
      throw new OperatorError('exists', `There is a pool in ${medium.description} already.`);
    }
    const state = {
      format: POOL_FORMAT,
      pool: Buffer.from(environment.randomBytes(POOL_NUMBER_BYTES)).toString('hex'),
      sequence: 0,
      checksum: 0,
      epoch: 0,
      segment: 0,
      counters: FIRST_COUNTERS,
    };
    await medium.meta.commit([stateChange(state, (bytes) => environment.checksum(bytes))]);
    return Pool.open(medium, environment, options);
  }

  /** Recovers the pool and serves it. OperatorError 'not-a-pool', 'newer-format', 'damaged'; StoreError. */
  static async open(
    medium: Medium,
    environment: Types.PoolEnvironment,
    options?: Partial<Types.PoolOptions>,
  ): Promise<Pool> {
    const pool = new Pool(await openService(medium, environment, options));
    const staged = [...pool.#service.parts.catalogue.vluns.values()].filter(isStaging);
    for (const { name } of staged) await pool.deleteVlun({ name });
    return pool;
  }

  get state(): Types.PoolState {
    return this.#service.state;
  }

  /** All VLUNs, by name. */
  list(): readonly Types.VlunInfo[] {
    const { catalogue } = this.#service.parts;
    const seen = [...catalogue.vluns.values()].filter((vlun) => !isStaging(vlun));
    const vluns = seen.sort((a, b) => (a.name < b.name ? -1 : 1));
    return vluns.map((vlun) => vlunInfo(this.#service.parts, vlun));
  }

  info(name: string): Types.VlunInfo | undefined {
    const vlun = this.#service.parts.catalogue.vlunNamed(name);
    return vlun === undefined ? undefined : vlunInfo(this.#service.parts, vlun);
  }

  /** The snapshots of one VLUN, or of all, oldest first. */
  snapshots(name?: string): readonly Types.SnapshotInfo[] {
    const { parts } = this.#service;
    const vluns = name === undefined ? this.list().map(({ id }) => id) : [this.#lookup.vlun(name).id];
    return vluns.flatMap((id) =>
      snapshotsInOrder(parts.catalogue, id).map((snapshot) => snapshotInfo(parts, snapshot)),
    );
  }

  /** OperatorError exists, bad-name, bad-size, no-space. */
  createVlun(request: Types.CreateVlunRequest): Promise<Types.VlunInfo> {
    return this.#making(request, (draft, nowMs) => this.#promising(draft, createVlun(draft, request, nowMs)));
  }

  /** A VLUN that tracks another (P1–P13). OperatorError not-found, exists, bad-name. */
  preserve(request: Types.PreserveRequest): Promise<Types.VlunInfo> {
    return this.#making(request, (draft, nowMs) => preserve(draft, request, nowMs));
  }

  /** A writable VLUN over a snapshot. OperatorError not-found, exists, bad-name. */
  clone(request: Types.CloneRequest): Promise<Types.VlunInfo> {
    return this.#making(request, (draft, nowMs) => clone(draft, request, nowMs));
  }

  /** Ends the tracking. OperatorError not-found, not-tracking. */
  release(request: { readonly name: string } & Types.WithDocuments): Promise<Types.VlunInfo> {
    return this.#making(request, (draft) => this.#promising(draft, release(draft, request.name)));
  }

  /** All of them at one point. OperatorError not-found, exists, bad-name, duplicate. */
  async createSnapshots(
    targets: readonly Types.SnapshotTarget[],
    options: Types.SnapshotOptions = {},
  ): Promise<Types.SnapshotsTaken> {
    const nowMs = this.#service.parts.environment.nowMs();
    const { result, pausedMs } = await changeCatalogue(this.#service, options, (draft) =>
      this.#promising(draft, createSnapshots(draft, targets, { nowMs, schedule: options.schedule })),
    );
    return { snapshots: result.map((snapshot) => snapshotInfo(this.#service.parts, snapshot)), pausedMs };
  }

  /** OperatorError not-found. Its space comes back in the background where nothing else reads it. */
  async deleteSnapshot(
    request: { readonly vlun: string; readonly snapshot: string } & Types.WithDocuments,
  ): Promise<void> {
    const names = this.documents.names('unit/');
    await this.#verb(request, (draft) => deleteSnapshot(draft, request, names));
    this.#service.reclaimer.wake();
  }

  /** OperatorError not-found, has-snapshots. VLUNs that track it are released in the same record. */
  async deleteVlun(request: Types.DeleteVlunRequest): Promise<void> {
    const names = this.documents.names('unit/');
    await this.#verb(request, (draft) => deleteVlun(draft, request, names));
    this.#service.reclaimer.wake();
  }

  /** The VLUN reads what it read at the snapshot; those that track it follow. OperatorError not-found. */
  async rollback(request: Types.RollbackRequest): Promise<Types.VlunInfo> {
    return vlunInfo(this.#service.parts, await this.#contents.rollback(request));
  }

  /** For an import. OperatorError bad-size, not-found, changed. */
  stage(request: Types.StageRequest): Promise<Types.VlunInfo> {
    return this.#making({}, (draft, nowMs) =>
      stage(draft, request, { nowMs, isEmpty: this.#contents.isEmpty }),
    );
  }

  /** The end of an import. OperatorError not-found, exists, bad-name, changed. */
  async adopt(request: Types.AdoptRequest): Promise<Types.VlunInfo> {
    return vlunInfo(this.#service.parts, await this.#contents.adopt(request));
  }

  /** OperatorError not-found, bad-size, shrinks. */
  async resizeVlun(request: Types.ResizeRequest): Promise<Types.VlunInfo> {
    return vlunInfo(this.#service.parts, await this.#contents.resize(request));
  }

  /** OperatorError not-found, bad-size, no-space. */
  async setVlun(request: Types.SetVlunRequest): Promise<Types.VlunInfo> {
    await this.change({ steps: [{ kind: 'set', ...request }], ...request });
    return vlunInfo(this.#service.parts, this.#lookup.vlun(request.name));
  }

  /** All of the steps in one record. OperatorError, as their verbs give it: nothing has changed then. */
  async change(request: SeveralRequest): Promise<void> {
    await this.#contents.several(request);
  }

  /** Refuses what `change` would refuse once the data space had grown by so much; changes nothing. */
  rehearse(request: SeveralRequest, growBlocks: number): void {
    this.#contents.rehearse(request, growBlocks);
  }

  /** The same object for the life of the VLUN. OperatorError not-found. */
  unit(name: string): LogicalUnit {
    return this.#units.ofVlun(this.#lookup.nodeNamed(name)).unit;
  }

  /** Read-only; the same object for the life of the snapshot. OperatorError not-found. */
  snapshotUnit(vlun: string, snapshot: string): LogicalUnit {
    return this.#units.ofSnapshot(this.#lookup.snapshotView(vlun, snapshot));
  }

  status(): Types.PoolStatus {
    const { parts, reclaimer, scrubber, space, state } = this.#service;
    const { allocator, tables, resolver, catalogue, medium } = parts;
    return {
      state,
      capacityBytes: allocator.capacityBlocks * POOL_BLOCK_BYTES,
      usedBytes: allocator.referencedBlocks * POOL_BLOCK_BYTES,
      freeBytes: allocator.freeBlocks * POOL_BLOCK_BYTES,
      reservedBytes: space.heldBlocks * POOL_BLOCK_BYTES,
      availableBytes: space.availableBlocks * POOL_BLOCK_BYTES,
      thresholdPercents: space.thresholdPercents,
      reclaimableBytes: (allocator.busyBlocks + reclaimer.heldBlocks) * POOL_BLOCK_BYTES,
      images: catalogue.images.size,
      journalBytes: medium.journal.keptBytes,
      cacheBytes: tables.residentBytes + resolver.residentBytes,
      scrub: scrubber.progress,
    };
  }

  activity(): Types.PoolActivity {
    const { parts, committer, flusher, reader, reclaimer } = this.#service;
    return {
      journalRecords: committer.sequence,
      blockReads: reader.reads,
      flushes: flusher.flushes,
      tablePageLoads: parts.tables.pageLoads,
      dirtyTablePages: parts.tables.dirtyPages,
      backlogImages: reclaimer.backlogImages,
    };
  }

  /** Of a VLUN, or of a snapshot named VLUN@SNAPSHOT. OperatorError not-found. */
  usageOf(name: string): Promise<Types.Usage> {
    return this.#usage.of(this.#lookup.view(name));
  }

  /** As `usageOf`, without counting or waiting: what was counted last. */
  knownUsageOf(name: string): Types.Usage {
    return this.#usage.known(this.#lookup.view(name));
  }

  /** Found in the tables, without reading data. OperatorError not-found. */
  diff(request: Types.DiffRequest): Promise<Types.DiffAnswer> {
    const views = {
      from: request.from === undefined ? undefined : this.#lookup.view(request.from),
      to: this.#lookup.view(request.to),
    };
    return diffRanges(this.#service.parts, views, request);
  }

  /** Beside what it serves; with `data`, of every block. OperatorError 'busy' when it had to give way. */
  check(options: { readonly data: boolean }): Promise<CheckReport> {
    return checkServing(this.#service, options);
  }

  /**
   * Reads everything and compares it, beside what is served. `onProgress` may wait, and ends it by failing.
   * OperatorError 'busy' while one runs.
   */
  async scrub(onProgress: OnScrubProgress = () => undefined): Promise<ScrubReport> {
    this.#service.gate.check();
    return this.#service.scrubber.run(onProgress);
  }

  /** Ends the scrub that runs. False: none does. */
  stopScrub(): boolean {
    return this.#service.scrubber.stop();
  }

  /** Everything completed before this call survives power loss once it completes. */
  async flush(): Promise<void> {
    this.#service.gate.check();
    await this.#service.flusher.flush();
  }

  async checkpoint(): Promise<void> {
    this.#service.gate.check();
    await this.#service.checkpointer.run();
  }

  /** Makes the data space this large, in pool blocks. OperatorError bad-size: it never shrinks. */
  grow(capacityBlocks: number): Promise<void> {
    const turn = (): Promise<void> => this.#grow(capacityBlocks);
    this.#growth = this.#growth.then(turn, turn);
    return this.#growth;
  }

  /** Warns at these shares of the space from now on, in percent; at once where one is reached already. */
  setThresholds(percents: readonly number[]): void {
    const { space } = this.#service;
    if (percents.join() === space.thresholdPercents.join()) return;
    space.setThresholds(percents);
    this.#units.tellWriters('thresholds-changed');
  }

  /** Completes what runs, makes everything durable and gives the medium back. */
  close(): Promise<void> {
    return this.#service.close();
  }

  async #grow(capacityBlocks: number): Promise<void> {
    const { medium, allocator } = this.#service.parts;
    this.#service.gate.check();
    if (capacityBlocks < allocator.capacityBlocks || capacityBlocks > PLACES_MAX) {
      const presentBytes = allocator.capacityBlocks * POOL_BLOCK_BYTES;
      throw new OperatorError(
        'bad-size',
        `The pool has ${presentBytes} bytes and never shrinks; it grows up to ${PLACES_MAX * POOL_BLOCK_BYTES}.`,
      );
    }
    if (capacityBlocks === allocator.capacityBlocks) return;
    await medium.data.grow(capacityBlocks);
    allocator.grow(capacityBlocks);
    this.#service.space.watch();
    this.#units.tellWriters('thresholds-changed');
  }

  /** What a verb came to, unless it would promise space that is not there. */
  #promising<T>(draft: Draft, result: T): T {
    this.#service.space.refuseOvercommit(draft);
    return result;
  }

  async #making(
    request: Types.WithDocuments,
    verb: (draft: Draft, nowMs: number) => VlunObject,
  ): Promise<Types.VlunInfo> {
    const nowMs = this.#service.parts.environment.nowMs();
    const made = await this.#verb(request, (draft) => verb(draft, nowMs));
    return vlunInfo(this.#service.parts, made);
  }

  async #verb<T>(request: Types.WithDocuments, verb: (draft: Draft) => T): Promise<T> {
    return (await changeCatalogue(this.#service, request, verb)).result;
  }
}
