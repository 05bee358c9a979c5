/**
 * The structures of a pool, loaded as its last checkpoint left them, and joined. Recovery brings them up to
 * date.
 */
import { Allocator } from './allocator.ts';
import { Applier } from './apply.ts';
import { Catalogue, type CatalogueChange } from './catalogue.ts';
import { FreedPlaces } from './free.ts';
import type { Medium } from './medium/medium.ts';
import { loadCatalogue, type PoolState } from './pool-state.ts';
import type { PoolEnvironment, PoolOptions } from './pool-types.ts';
import { ReaderEpochs } from './reader-epochs.ts';
import { ReferenceCounts } from './reference-counts.ts';
import { Resolver } from './resolve.ts';
import { TableStore } from './table-store.ts';
import { Views } from './views.ts';

export interface PoolParts {
  readonly medium: Medium;
  readonly environment: PoolEnvironment;
  readonly options: PoolOptions;
  /** The pool's own number, 32 hexadecimal digits. */
  readonly pool: string;
  readonly catalogue: Catalogue;
  readonly views: Views;
  readonly tables: TableStore;
  readonly allocator: Allocator;
  readonly references: ReferenceCounts;
  readonly epochs: ReaderEpochs;
  readonly resolver: Resolver;
  readonly freed: FreedPlaces;
  readonly applier: Applier;
}

export interface PoolGround {
  readonly medium: Medium;
  readonly environment: PoolEnvironment;
  readonly options: PoolOptions;
}

export async function loadParts(ground: PoolGround, state: PoolState): Promise<PoolParts> {
  const { medium, environment, options } = ground;
  const { meta, data } = medium;
  const checksum = (bytes: Uint8Array): number => environment.checksum(bytes);
  const catalogue = new Catalogue();
  catalogue.counters = state.counters;
  await loadCatalogue(catalogue, { meta, checksum });
  const tables = await TableStore.load({ meta, checksum, cacheBytes: options.tableCacheBytes });
  const allocator = await Allocator.load({
    meta,
    checksum,
    capacityBlocks: data.capacityBlocks,
    cacheBytes: options.allocatorCacheBytes,
  });
  const references = await ReferenceCounts.load({ meta, checksum });
  const epochs = new ReaderEpochs();
  const resolver = new Resolver(tables, { bytesMax: options.resolvedCacheBytes });
  const views = new Views(catalogue, (view) => resolver.forget(view));
  views.load();
  const freed = new FreedPlaces({
    allocator,
    data,
    epochs,
    after: (ms, run) => environment.after(ms, run),
    onDiscardFailed: (cause) => environment.onFact({ type: 'background-failed', what: 'discard', cause }),
  });
  const applier = new Applier({ catalogue, tables, allocator, references, views, resolver, freed });
  return {
    ...ground,
    pool: state.pool,
    catalogue,
    views,
    tables,
    allocator,
    references,
    epochs,
    resolver,
    freed,
    applier,
  };
}

/** What a STRUCTURE record means, for the running pool and for recovery alike. */
export function applyStructure(parts: PoolParts, change: CatalogueChange): void {
  const relinked = (change.images ?? []).some(([id, image]) => {
    const before = parts.catalogue.images.get(id);
    return before !== undefined && image !== null && before.base !== image.base;
  });
  parts.catalogue.apply(change);
  parts.views.update(change);
  if (relinked) parts.views.relink();
  for (const [id, image] of change.images ?? []) if (image === null) parts.tables.dropImage(id);
}
