/** The documents of the command line's contract: one row type each for LUNs and snapshots. */
import type { SnapshotInfo, Usage, VlunInfo } from '../../../snapshot/pool-types.ts';
import type { AdminContext } from '../verb.ts';

export interface VlunRow {
  readonly name: string;
  /** The first LUN number it is mapped at; null where it is not mapped. */
  readonly lun: number | null;
  readonly target: string | null;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly writeCache: boolean;
  /** 32 hexadecimal digits, as `/dev/disk/by-id/wwn-0x…` shows them. */
  readonly naa: string;
  readonly serial: string;
  readonly usedBytes: number;
  readonly exclusiveBytes: number;
  readonly sharedBytes: number;
  /** When the three were so, where that is not now; null: they are being counted for the first time. */
  readonly usageAt?: string | null;
  readonly reservedBytes: number;
  /** Limits of its initiators together, in a second; null: none. */
  readonly iopsMax: number | null;
  readonly throughputMaxBytes: number | null;
  readonly createdAt: string;
  readonly snapshots: readonly string[];
  readonly tracks?: string;
  readonly trackers?: readonly string[];
  readonly parent?: string;
}

export interface SnapshotRow {
  readonly lun: string;
  readonly name: string;
  readonly createdAt: string;
  readonly sizeBytes: number;
  readonly referencedBytes: number;
  readonly exclusiveBytes: number;
  readonly sharedBytes: number;
  readonly usageAt?: string | null;
  readonly naa: string;
  readonly mappedLun?: number;
  readonly target?: string;
  /** The schedule that took it. */
  readonly schedule?: string;
}

/** With space counted up to now. */
export async function countedVlunRow(context: AdminContext, info: VlunInfo): Promise<VlunRow> {
  return vlunRow(context, info, await context.pool.usageOf(info.name));
}

/** With space counted up to now. */
export async function countedSnapshotRow(context: AdminContext, info: SnapshotInfo): Promise<SnapshotRow> {
  return snapshotRow(context, info, await context.pool.usageOf(viewName(info)));
}

/** For verbs that change something: nobody waits for counting. */
export function vlunRow(
  context: AdminContext,
  info: VlunInfo,
  usage: Usage = context.pool.knownUsageOf(info.name),
): VlunRow {
  const mapping = context.targets.mappings({ vlun: info.name })[0];
  return {
    name: info.name,
    lun: mapping?.lun ?? null,
    target: mapping?.target ?? null,
    sizeBytes: info.sizeBytes,
    blockBytes: info.blockBytes,
    readOnly: info.readOnly,
    removable: info.removable,
    writeCache: info.writeCache,
    naa: Buffer.from(info.identity.naa).toString('hex'),
    serial: info.identity.serial,
    usedBytes: usage.usedBytes,
    ...shares(usage),
    reservedBytes: info.reservedBytes,
    iopsMax: info.iopsMax === 0 ? null : info.iopsMax,
    throughputMaxBytes: info.throughputMaxBytes === 0 ? null : info.throughputMaxBytes,
    createdAt: new Date(info.createdAtMs).toISOString(),
    snapshots: info.snapshots,
    ...(info.tracks === undefined ? {} : { tracks: info.tracks }),
    ...(info.trackers.length === 0 ? {} : { trackers: info.trackers }),
    ...(info.parent === undefined ? {} : { parent: info.parent }),
  };
}

/** For verbs that change something: nobody waits for counting. */
export function snapshotRow(
  context: AdminContext,
  info: SnapshotInfo,
  usage: Usage = context.pool.knownUsageOf(viewName(info)),
): SnapshotRow {
  const mapping = context.targets.mappings({ vlun: info.vlun, snapshot: info.name })[0];
  return {
    lun: info.vlun,
    name: info.name,
    createdAt: new Date(info.createdAtMs).toISOString(),
    sizeBytes: info.sizeBytes,
    referencedBytes: usage.usedBytes,
    ...shares(usage),
    naa: Buffer.from(info.identity.naa).toString('hex'),
    ...(mapping === undefined ? {} : { mappedLun: mapping.lun, target: mapping.target }),
    ...(info.schedule === undefined ? {} : { schedule: info.schedule }),
  };
}

function viewName({ vlun, name }: SnapshotInfo): string {
  return `${vlun}@${name}`;
}

function shares({
  exclusiveBytes,
  sharedBytes,
  atMs,
}: Usage): Pick<VlunRow, 'exclusiveBytes' | 'sharedBytes' | 'usageAt'> {
  return {
    exclusiveBytes,
    sharedBytes,
    ...(atMs !== undefined && { usageAt: atMs === null ? null : new Date(atMs).toISOString() }),
  };
}
