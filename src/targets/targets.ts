/**
 * The targets of the server: their documents in the pool, the units each one shows, and the SCSI
 * target that serves them. A change is planned as new documents, written together with the pool
 * operation it belongs to, and shown by `refresh` once the pool has it.
 */
import { OperatorError } from '../../lun/errors.ts';
import type { LogicalUnit } from '../../lun/logical-unit.ts';
import type { ScsiTarget } from '../../protocol/scsi/target.ts';
import {
  asServerDocument,
  asTargetDocument,
  emptyTarget,
  type LunReference,
  referenceText,
  SERVER_DOCUMENT,
  type ServerDocument,
  type TargetDocument,
  type TargetEntry,
  targetDocumentName,
} from './documents.ts';
import { chooseLun, lunOf, withLun, withoutLuns } from './lun-numbers.ts';
import { iscsiName } from './names.ts';
import { TargetUnits } from './unit-map.ts';

/** New documents by name; undefined removes one. */
export type DocumentChanges = Readonly<Record<string, unknown>>;

/** What the targets need of the pool. */
export interface UnitSource {
  readonly documents: {
    get(name: string): unknown;
    put(changes: DocumentChanges): Promise<void>;
  };
  unit(name: string): LogicalUnit;
  snapshotUnit(vlun: string, snapshot: string): LogicalUnit;
}

export interface Target {
  readonly name: string;
  /** The name of its document in the pool. */
  readonly documentName: string;
  readonly units: TargetUnits;
  readonly scsi: ScsiTarget;
  /** Whether this initiator is shown some of the LUNs only. */
  isMasked(initiatorName: string): boolean;
  /** Whether this initiator is shown what is at this LUN number. */
  shows(initiatorName: string, lun: number): boolean;
}

export interface TargetsOptions {
  readonly pool: UnitSource;
  readonly makeScsiTarget: (targetName: string, units: TargetUnits) => ScsiTarget;
  /** Whether a session of the target that is logged in now may have seen what was at this LUN number. */
  readonly seen: (targetName: string, lun: number) => boolean;
}

export class Targets {
  readonly #options: TargetsOptions;
  readonly #byName = new Map<string, Target>();

  private constructor(options: TargetsOptions) {
    this.#options = options;
  }

  /** Opens the targets of a pool; a new pool gets `defaultTarget`. */
  static async open(options: TargetsOptions, defaultTarget: string): Promise<Targets> {
    const targets = new Targets(options);
    if (options.pool.documents.get(SERVER_DOCUMENT) === undefined) {
      const entry = { name: defaultTarget, id: 1 };
      const server: ServerDocument = { defaultTarget, targets: [entry], lastTargetId: 1, removedTargets: [] };
      await options.pool.documents.put({
        [SERVER_DOCUMENT]: server,
        [targetDocumentName(entry)]: emptyTarget(defaultTarget),
      });
    }
    targets.refresh();
    return targets;
  }

  get server(): ServerDocument {
    return asServerDocument(this.#options.pool.documents.get(SERVER_DOCUMENT));
  }

  list(): readonly Target[] {
    return this.server.targets.map((entry) => this.get(entry.name));
  }

  find(name: string): Target | undefined {
    return this.#byName.get(name);
  }

  get(name: string): Target {
    const target = this.#byName.get(name);
    if (target === undefined) {
      throw new OperatorError('not-found', `there is no target ${name}; \`snaplun target list\` shows them`);
    }
    return target;
  }

  document(name: string): TargetDocument {
    return asTargetDocument(this.#options.pool.documents.get(this.get(name).documentName));
  }

  /** The named target, or the default one. */
  resolve(name: string | undefined): string {
    return name === undefined ? this.server.defaultTarget : this.get(iscsiName(name, 'target')).name;
  }

  /** Where this is mapped. */
  mappings(reference: LunReference): readonly { readonly target: string; readonly lun: number }[] {
    const found: { target: string; lun: number }[] = [];
    for (const { name } of this.server.targets) {
      const lun = lunOf(this.document(name), reference);
      if (lun !== undefined) found.push({ target: name, lun });
    }
    return found;
  }

  /** The documents that map this, and the LUN number it gets. */
  planMap(
    reference: LunReference,
    where: { readonly target?: string | undefined; readonly lun?: number | undefined },
  ): { readonly documents: DocumentChanges; readonly target: string; readonly lun: number } {
    const target = this.resolve(where.target);
    const document = this.document(target);
    const present = lunOf(document, reference);
    if (present !== undefined) {
      throw new OperatorError(
        'exists',
        `${referenceText(reference)} is LUN ${present} of ${target} already; unmap it first`,
      );
    }
    const lun = chooseLun(document, {
      wanted: where.lun,
      seen: (number) => this.#options.seen(target, number),
    });
    return {
      documents: { [this.get(target).documentName]: withLun(document, lun, reference) },
      target,
      lun,
    };
  }

  /** The documents without any LUN that shows something `gone` says yes to. */
  planUnmap(gone: (reference: LunReference) => boolean): DocumentChanges {
    const changes: Record<string, unknown> = {};
    for (const entry of this.server.targets) {
      const document = this.document(entry.name);
      const without = withoutLuns(document, gone);
      if (without !== document) changes[targetDocumentName(entry)] = without;
    }
    return changes;
  }

  /** Writes documents by themselves and shows them. */
  async change(changes: DocumentChanges): Promise<void> {
    if (Object.keys(changes).length === 0) return;
    await this.#options.pool.documents.put(changes);
    this.refresh();
  }

  async create(name: string, alias: string | undefined): Promise<string> {
    const targetName = iscsiName(name, 'target');
    const server = this.server;
    if (this.find(targetName) !== undefined) {
      throw new OperatorError('exists', `there is a target ${targetName} already`);
    }
    const document = { ...emptyTarget(targetName), ...(alias === undefined ? {} : { alias }) };
    const entry = { name: targetName, id: server.lastTargetId + 1 };
    await this.change({
      [SERVER_DOCUMENT]: {
        ...server,
        targets: [...server.targets, entry],
        lastTargetId: entry.id,
        removedTargets: server.removedTargets.filter((removed) => removed !== targetName),
      },
      [targetDocumentName(entry)]: document,
    });
    return targetName;
  }

  async remove(name: string): Promise<void> {
    const target = this.get(iscsiName(name, 'target'));
    const server = this.server;
    if (target.name === server.defaultTarget) {
      throw new OperatorError('in-use', `${target.name} is the default target and stays`);
    }
    const luns = Object.keys(this.document(target.name).luns).length;
    if (luns > 0) {
      throw new OperatorError('in-use', `${target.name} still shows ${luns} LUNs; unmap them first`);
    }
    await this.change({
      [SERVER_DOCUMENT]: {
        ...server,
        targets: server.targets.filter((other) => other.name !== target.name),
        removedTargets: [...server.removedTargets, target.name],
      },
      [target.documentName]: undefined,
    });
  }

  /** Takes units out of sight, until the next `refresh` shows what the documents say. */
  hide(gone: (reference: LunReference) => boolean): void {
    for (const { name, units } of this.#byName.values()) {
      const document = this.document(name);
      const left = Object.entries(document.luns).filter(([, reference]) => !gone(reference));
      units.replace(this.#unitsOf({ ...document, luns: Object.fromEntries(left) }));
    }
  }

  /** Makes what is shown agree with the documents; the unit maps tell whoever listens. */
  refresh(): void {
    const entries = this.server.targets;
    const names = new Set(entries.map((entry) => entry.name));
    for (const name of this.#byName.keys()) if (!names.has(name)) this.#byName.delete(name);
    for (const entry of entries) {
      const { name } = entry;
      let target = this.#byName.get(name);
      if (target === undefined) {
        target = this.#make(entry);
        this.#byName.set(name, target);
      }
      target.units.replace(this.#unitsOf(this.document(name)));
      target.scsi.reviewViews();
    }
  }

  /** Portal groups may have come or gone: tells those whom that concerns. */
  reviewPorts(): void {
    for (const { scsi } of this.#byName.values()) scsi.reviewPorts();
  }

  #make(entry: TargetEntry): Target {
    const { name } = entry;
    const units = new TargetUnits();
    const maskOf = (initiatorName: string): readonly number[] | undefined =>
      this.document(name).lunMasks?.[initiatorName];
    return {
      ...{ name, units, documentName: targetDocumentName(entry) },
      scsi: this.#options.makeScsiTarget(name, units),
      isMasked: (initiatorName) => maskOf(initiatorName) !== undefined,
      shows: (initiatorName, lun) => maskOf(initiatorName)?.includes(lun) !== false,
    };
  }

  #unitsOf(document: TargetDocument): ReadonlyMap<number, LogicalUnit> {
    const pool = this.#options.pool;
    const units = new Map<number, LogicalUnit>();
    for (const [lun, { vlun, snapshot }] of Object.entries(document.luns)) {
      units.set(Number(lun), snapshot === undefined ? pool.unit(vlun) : pool.snapshotUnit(vlun, snapshot));
    }
    return units;
  }
}
