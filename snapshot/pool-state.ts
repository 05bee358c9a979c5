/**
 * The state of the last checkpoint (key 'S') and the catalogue around it, as they are stored. Key 'c' holds
 * VLUNs (kind 1), images (2) and snapshots (3) by number; key 'd' documents by name.
 */
import assert from 'node:assert';
import { OperatorError } from '../lun/errors.ts';
import type { Catalogue, ChangedObject, Counters, ObjectKind } from './catalogue.ts';
import type { Checksum } from './checksum.ts';
import { catalogueKey, catalogueOfKey, documentKey, documentOfKey, KEYS, STATE_KEY } from './keys.ts';
import type { MetaChange, MetaSpace } from './medium/medium.ts';
import { decodeJson, encodeJson } from './stored-json.ts';

/**
 * Raised by every change of what is stored that an older program would misread. A pool of an older format is
 * taken to this one by the checkpoint of its opening.
 */
export const POOL_FORMAT = 3;

export interface PoolState {
  readonly format: number;
  /** 32 hexadecimal digits. */
  readonly pool: string;
  /** The last record the checkpoint covers, its checksum and epoch; zeroes in a new pool. */
  readonly sequence: number;
  readonly checksum: number;
  readonly epoch: number;
  /** The first journal segment still needed. */
  readonly segment: number;
  readonly counters: Counters;
}

const KINDS: Readonly<Record<Exclude<ObjectKind, 'document'>, number>> = { vlun: 1, image: 2, snapshot: 3 };

export function stateChange(state: PoolState, checksum: Checksum): MetaChange {
  return { key: STATE_KEY, value: encodeJson(state, checksum) };
}

/** The state, or undefined on a medium that was never formatted. Refuses a newer format. */
export async function loadState(meta: MetaSpace, checksum: Checksum): Promise<PoolState | undefined> {
  const bytes = await meta.get(STATE_KEY);
  if (bytes === undefined) return undefined;
  const state = decodeJson(bytes, { checksum, what: 'state of the pool' }) as PoolState;
  if (state.format > POOL_FORMAT) {
    throw new OperatorError(
      'newer-format',
      `The pool has format ${state.format}; this program reads up to ${POOL_FORMAT}. Use a newer one.`,
    );
  }
  return state;
}

export function catalogueChanges(changed: readonly ChangedObject[], checksum: Checksum): MetaChange[] {
  return changed.map(({ kind, key, value }) => ({
    key: kind === 'document' ? documentKey(String(key)) : catalogueKey(KINDS[kind], Number(key)),
    value: value === undefined ? undefined : encodeJson(value, checksum),
  }));
}

export async function loadCatalogue(
  catalogue: Catalogue,
  from: { readonly meta: MetaSpace; readonly checksum: Checksum },
): Promise<void> {
  const { meta, checksum } = from;
  for (const { key, value } of await meta.scan(KEYS.catalogue)) {
    const { kind, id } = catalogueOfKey(key);
    const what = kind === KINDS.vlun ? 'vlun' : kind === KINDS.image ? 'image' : 'snapshot';
    assert(kind === KINDS[what], `catalogue kind ${kind} is known`);
    catalogue.restore(what, id, decodeJson(value, { checksum, what: `${what} ${id}` }));
  }
  for (const { key, value } of await meta.scan(KEYS.document)) {
    const name = documentOfKey(key);
    catalogue.restore('document', name, decodeJson(value, { checksum, what: `document '${name}'` }));
  }
}
