/** What a pool says about its VLUNs and snapshots. */
import type { Catalogue, SnapshotObject, VlunObject } from './catalogue.ts';
import type { SnapshotInfo, VlunInfo } from './pool-types.ts';
import { unitIdentity } from './unit-identity.ts';

export interface InfoSource {
  readonly pool: string;
  readonly catalogue: Catalogue;
}

export function vlunInfo(from: InfoSource, vlun: VlunObject): VlunInfo {
  const { catalogue, pool } = from;
  const tracked = vlun.tracks === undefined ? undefined : catalogue.vluns.get(vlun.tracks);
  return {
    id: vlun.id,
    name: vlun.name,
    identity: unitIdentity({ pool, counter: vlun.identity, name: vlun.name }),
    sizeBytes: vlun.sizeBytes,
    blockBytes: vlun.blockBytes,
    readOnly: vlun.readOnly,
    removable: vlun.removable,
    writeCache: vlun.writeCache,
    reservedBytes: vlun.reservedBytes ?? 0,
    iopsMax: vlun.iopsMax ?? 0,
    throughputMaxBytes: vlun.throughputMaxBytes ?? 0,
    createdAtMs: vlun.createdAtMs,
    ...(tracked !== undefined && { tracks: tracked.name }),
    trackers: [...catalogue.vluns.values()]
      .filter(({ tracks }) => tracks === vlun.id)
      .map(({ name }) => name),
    ...(vlun.parent !== undefined && { parent: vlun.parent }),
    snapshots: snapshotsInOrder(catalogue, vlun.id).map(({ name }) => name),
  };
}

export function snapshotInfo(from: InfoSource, snapshot: SnapshotObject): SnapshotInfo {
  const vlun = from.catalogue.vluns.get(snapshot.vlun)?.name ?? '';
  const name = `${vlun}@${snapshot.name}`;
  return {
    id: snapshot.id,
    vlun,
    name: snapshot.name,
    identity: unitIdentity({ pool: from.pool, counter: snapshot.identity, name }),
    sizeBytes: snapshot.sizeBytes,
    blockBytes: snapshot.blockBytes,
    createdAtMs: snapshot.createdAtMs,
    ...(snapshot.origin !== undefined && { origin: snapshot.origin }),
    ...(snapshot.schedule !== undefined && { schedule: snapshot.schedule }),
  };
}

/** Oldest first. */
export function snapshotsInOrder(catalogue: Catalogue, vlun: number): SnapshotObject[] {
  return catalogue.snapshotsOf(vlun).sort((a, b) => a.id - b.id);
}
