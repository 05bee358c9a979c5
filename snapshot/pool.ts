/**
 * A pool: where images live; the unit of ownership, of atomicity across VLUNs and of failover. This file
 * holds the public verbs; what each does to the catalogue stands in a file of its own, and how it takes
 * effect in structure-writer.ts. A verb returns when its record is appended and flushed.
 */
import { OperatorError, StoreError } from '../lun/errors.ts';
import type { LogicalUnit, UnitFact } from '../lun/logical-unit.ts';
import { type Draft, FIRST_COUNTERS, type SnapshotObject, type VlunObject } from './catalogue.ts';
import type { CheckReport } from './check.ts';
import { clone } from './clone.ts';
import { createVlun } from './create.ts';
import { deleteSnapshot, deleteVlun } from './delete.ts';
import { diffRanges } from './diff.ts';
import { type Medium, POOL_BLOCK_BYTES } from './medium/medium.ts';
import { checkServing } from './online-check.ts';
import { openService } from './open.ts';
import { snapshotInfo, snapshotsInOrder, vlunInfo } from './pool-info.ts';
import { loadState, POOL_FORMAT, stateChange } from './pool-state.ts';
import type * as Types from './pool-types.ts';
import { preserve } from './preserve.ts';
import { release } from './release.ts';
import { checkDocuments, vlunNamed } from './requests.ts';
import { checkResize, resize } from './resize.ts';
import { rollback } from './rollback.ts';
import type { PoolService } from './service.ts';
import { createSnapshots } from './snapshot.ts';
import { adopt, isStaging, stage } from './staging.ts';
import { Units } from './units.ts';
import { UsageAccount } from './usage.ts';
import type { SnapshotView, VlunNode } from './views.ts';

const POOL_NUMBER_BYTES = 16;

export class Pool {
  readonly documents: Types.Documents;
  readonly #service: PoolService;
  readonly #units: Units;
  readonly #usage: UsageAccount;

  private constructor(service: PoolService) {
    this.#service = service;
    this.#units = new Units(service);
    this.#usage = new UsageAccount(service.parts);
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
    const vluns = name === undefined ? this.list().map(({ id }) => id) : [this.#vlun(name).id];
    return vluns.flatMap((id) =>
      snapshotsInOrder(parts.catalogue, id).map((snapshot) => snapshotInfo(parts, snapshot)),
    );
  }

  /** OperatorError exists, bad-name, bad-size. */
  createVlun(request: Types.CreateVlunRequest): Promise<Types.VlunInfo> {
    return this.#making(request, (draft, nowMs) => createVlun(draft, request, nowMs));
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
    return this.#making(request, (draft) => release(draft, request.name));
  }

  /** All of them at one point. OperatorError not-found, exists, bad-name, duplicate. */
  async createSnapshots(
    targets: readonly Types.SnapshotTarget[],
    options: Types.WithDocuments = {},
  ): Promise<Types.SnapshotsTaken> {
    const nowMs = this.#service.parts.environment.nowMs();
    const { result, pausedMs } = await this.#change(options, (draft) =>
      createSnapshots(draft, targets, nowMs),
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
    const { id, sizeBytes } = this.#vlun(request.vlun);
    const target = this.#snapshot(request.vlun, request.snapshot);
    const node = this.#node(id);
    const verb = (draft: Draft): VlunObject[] => rollback(draft, request);
    const changed = await this.#replacing(node, { ...request, sizeBytes: target.sizeBytes }, verb);
    for (const one of changed) this.#tell(one.id, 'contents-replaced');
    if (target.sizeBytes !== sizeBytes) this.#tell(id, 'capacity-changed');
    this.#service.reclaimer.wake();
    return vlunInfo(this.#service.parts, this.#node(id).vlun);
  }

  /** For an import. OperatorError bad-size, not-found, changed. */
  stage(request: Types.StageRequest): Promise<Types.VlunInfo> {
    return this.#making({}, (draft, nowMs) => stage(draft, request, { nowMs, isEmpty: this.#isEmpty }));
  }

  /** The end of an import. OperatorError not-found, exists, bad-name, changed. */
  async adopt(request: Types.AdoptRequest): Promise<Types.VlunInfo> {
    const staged = this.#vlun(request.staging);
    const node = this.#node(request.base === undefined ? staged.id : this.#vlun(request.name).id);
    const { sizeBytes } = node;
    const verb = (draft: Draft): VlunObject[] => adopt(draft, request, this.#isEmpty);
    const contents = { ...request, sizeBytes: staged.sizeBytes };
    const [vlun, ...followers] = await this.#replacing(node, contents, verb);
    if (request.base === undefined) this.#units.renamed(node);
    for (const one of [node, ...followers]) this.#tell(one.id, 'contents-replaced');
    if (sizeBytes !== staged.sizeBytes) this.#tell(node.id, 'capacity-changed');
    this.#service.reclaimer.wake();
    return vlunInfo(this.#service.parts, vlun as VlunObject);
  }

  /** OperatorError not-found, bad-size, shrinks. */
  async resizeVlun(request: Types.ResizeRequest): Promise<Types.VlunInfo> {
    const { id, sizeBytes } = this.#vlun(request.name);
    checkResize(this.#vlun(request.name), request);
    checkDocuments(request.documents);
    const node = this.#node(id);
    const { device } = this.#units.ofVlun(node);
    try {
      if (request.sizeBytes < sizeBytes) {
        device.resized(request.sizeBytes);
        await device.cutOff({ from: request.sizeBytes, to: sizeBytes });
      } else {
        await this.#clearLastBlock(node, request.sizeBytes);
      }
      await this.#verb(request, (draft) => resize(draft, id, request.sizeBytes));
    } finally {
      device.resized();
    }
    this.#units.tell(node, 'capacity-changed');
    return vlunInfo(this.#service.parts, node.vlun);
  }

  /** Before a VLUN grows: the rest of its last block may hold what a larger one that it followed wrote. */
  async #clearLastBlock(node: VlunNode, newSizeBytes: number): Promise<void> {
    const { sizeBytes } = node.vlun;
    const end = Math.min(Math.ceil(sizeBytes / POOL_BLOCK_BYTES) * POOL_BLOCK_BYTES, newSizeBytes);
    const larger = node.below.some(({ vlun }) => vlun.sizeBytes > sizeBytes);
    if (end <= sizeBytes || node.above !== undefined || larger) return;
    await this.#units.ofVlun(node).device.cutOff({ from: sizeBytes, to: end });
  }

  /** OperatorError not-found. */
  async setVlun(request: Types.SetVlunRequest): Promise<Types.VlunInfo> {
    const vlun = await this.#verb(request, (draft) => {
      const present = vlunNamed(draft, request.name);
      const { readOnly = present.readOnly, writeCache = present.writeCache } = request;
      draft.putVlun({ ...present, readOnly, writeCache });
      return present;
    });
    const node = this.#node(vlun.id);
    this.#units.tell(node, 'mode-changed');
    return vlunInfo(this.#service.parts, node.vlun);
  }

  /** The same object for the life of the VLUN. OperatorError not-found. */
  unit(name: string): LogicalUnit {
    return this.#units.ofVlun(this.#node(this.#vlun(name).id)).unit;
  }

  /** Read-only; the same object for the life of the snapshot. OperatorError not-found. */
  snapshotUnit(vlun: string, snapshot: string): LogicalUnit {
    const { views } = this.#service.parts;
    return this.#units.ofSnapshot(views.snapshot(this.#snapshot(vlun, snapshot).id));
  }

  status(): Types.PoolStatus {
    const { parts, reclaimer, state } = this.#service;
    const { allocator, tables, resolver, catalogue, medium } = parts;
    return {
      state,
      capacityBytes: allocator.capacityBlocks * POOL_BLOCK_BYTES,
      usedBytes: allocator.referencedBlocks * POOL_BLOCK_BYTES,
      freeBytes: allocator.freeBlocks * POOL_BLOCK_BYTES,
      reclaimableBytes: (allocator.busyBlocks + reclaimer.heldBlocks) * POOL_BLOCK_BYTES,
      images: catalogue.images.size,
      journalBytes: medium.journal.keptBytes,
      cacheBytes: tables.residentBytes + resolver.residentBytes,
    };
  }

  /** Of a VLUN, or of a snapshot named VLUN@SNAPSHOT. OperatorError not-found. */
  usageOf(name: string): Types.Usage {
    return this.#usage.of(this.#view(name));
  }

  /** Found in the tables, without reading data. OperatorError not-found. */
  diff(request: Types.DiffRequest): Promise<Types.DiffAnswer> {
    const views = {
      from: request.from === undefined ? undefined : this.#view(request.from),
      to: this.#view(request.to),
    };
    return diffRanges(this.#service.parts, views, request);
  }

  /** Beside what it serves; with `data`, of every block. OperatorError 'busy' when it had to give way. */
  check(options: { readonly data: boolean }): Promise<CheckReport> {
    return checkServing(this.#service, options);
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

  /** Makes the data space this large, in pool blocks; it never shrinks. */
  async grow(capacityBlocks: number): Promise<void> {
    const { medium, allocator } = this.#service.parts;
    this.#service.gate.check();
    if (capacityBlocks < allocator.capacityBlocks) {
      throw new OperatorError('bad-size', 'A pool never shrinks.');
    }
    await medium.data.grow(capacityBlocks);
    allocator.grow(capacityBlocks);
  }

  /** Completes what runs, makes everything durable and gives the medium back. */
  close(): Promise<void> {
    return this.#service.close();
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
    return (await this.#change(request, verb)).result;
  }

  #change<T>(
    request: Types.WithDocuments,
    verb: (draft: Draft) => T,
  ): Promise<{ readonly result: T; readonly pausedMs: number }> {
    this.#service.gate.check();
    checkDocuments(request.documents);
    return this.#service.structure.change((draft) => {
      const result = verb(draft);
      draft.putDocuments(request.documents);
      return result;
    });
  }

  readonly #isEmpty = (image: number): boolean => {
    return this.#service.parts.tables.imageStats(image).entries === 0;
  };

  /** A verb that gives a VLUN other contents of this size: no command of its family runs across it. */
  async #replacing<T>(
    node: VlunNode,
    contents: Types.WithDocuments & { readonly sizeBytes: number },
    verb: (draft: Draft) => T,
  ): Promise<T> {
    const { structure, flusher, gate } = this.#service;
    gate.check();
    checkDocuments(contents.documents);
    const { device } = this.#units.ofVlun(node);
    const withDocuments = (draft: Draft): T => {
      const result = verb(draft);
      draft.putDocuments(contents.documents);
      return result;
    };
    try {
      device.resized(Math.min(contents.sizeBytes, node.sizeBytes));
      const { result } = await device.alone(() => structure.record(withDocuments));
      device.resized();
      await flusher.flush();
      return result;
    } finally {
      device.resized();
    }
  }

  #tell(id: number, fact: UnitFact): void {
    const node = this.#service.parts.views.node(id);
    if (node !== undefined) this.#units.tell(node, fact);
  }

  #vlun(name: string): VlunObject {
    const vlun = this.#service.parts.catalogue.vlunNamed(name);
    if (vlun === undefined) throw new OperatorError('not-found', `There is no VLUN '${name}'.`);
    return vlun;
  }

  /** Of a VLUN, or of a snapshot named VLUN@SNAPSHOT. OperatorError not-found. */
  #view(name: string): VlunNode | SnapshotView {
    const [vlun = '', snapshot] = name.split('@');
    if (snapshot === undefined) return this.#node(this.#vlun(vlun).id);
    return this.#service.parts.views.snapshot(this.#snapshot(vlun, snapshot).id);
  }

  #node(id: number): VlunNode {
    const node = this.#service.parts.views.node(id);
    if (node === undefined) throw new StoreError('CLOSED', 'The VLUN was deleted meanwhile.');
    return node;
  }

  #snapshot(vlun: string, name: string): SnapshotObject {
    const snapshot = this.#service.parts.catalogue.snapshotNamed(this.#vlun(vlun).id, name);
    if (snapshot === undefined)
      throw new OperatorError('not-found', `There is no snapshot '${vlun}@${name}'.`);
    return snapshot;
  }
}
