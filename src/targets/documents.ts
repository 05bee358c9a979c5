/**
 * What the server keeps in the pool about targets: one document for the list and one for each target.
 * They change in the same journal record as the VLUN or snapshot they speak of, so a LUN is never
 * created without its mapping.
 */
import { strict as assert } from 'node:assert';

/** What a LUN number shows: a VLUN, or one of its snapshots (read-only). */
export interface LunReference {
  readonly vlun: string;
  readonly snapshot?: string;
}

/** A CHAP name with its secret, hexadecimal. */
export interface StoredCredentials {
  readonly name: string;
  readonly secretHex: string;
  /** Where the operator keeps it, for a configuration that names the file instead of the secret. */
  readonly file?: string;
}

export interface TargetDocument {
  readonly targetName: string;
  readonly alias?: string;
  readonly luns: Readonly<Record<string, LunReference>>;
  /** LUN numbers that were used and are free, the longest retired first. */
  readonly retiredLuns: readonly number[];
  /** Initiator names that may log in; absent: every one. */
  readonly allowedInitiators?: readonly string[];
  /** The LUN numbers that an initiator is shown, by its name; one that is not here is shown all. */
  readonly lunMasks?: Readonly<Record<string, readonly number[]>>;
  /** Where logins are sent instead: `address:port`, an IPv6 address in brackets (RFC 7143 §13.8). */
  readonly redirect?: { readonly address: string; readonly permanent: boolean };
  readonly chapInbound?: StoredCredentials;
  readonly chapOutbound?: StoredCredentials;
}

export interface TargetEntry {
  readonly name: string;
  /** Names its document: iSCSI names are longer than document names may be. */
  readonly id: number;
}

export interface ServerDocument {
  readonly defaultTarget: string;
  /** Every target, the default one included, in the order of their creation. */
  readonly targets: readonly TargetEntry[];
  /** Numbers are not used again, so that a document never speaks of another target. */
  readonly lastTargetId: number;
  /** Targets that existed once: a login is told "removed" rather than "not found" (RFC 7143 §11.13.5). */
  readonly removedTargets: readonly string[];
}

export const SERVER_DOCUMENT = 'server';

export function targetDocumentName(entry: TargetEntry): string {
  return `target/${entry.id}`;
}

export function emptyTarget(targetName: string): TargetDocument {
  return { targetName, luns: {}, retiredLuns: [] };
}

/** The documents were written by this program and are checksummed: a wrong form is our own fault. */
export function asServerDocument(value: unknown): ServerDocument {
  assert(typeof value === 'object' && value !== null && 'defaultTarget' in value && 'targets' in value);
  return value as ServerDocument;
}

export function asTargetDocument(value: unknown): TargetDocument {
  assert(typeof value === 'object' && value !== null && 'targetName' in value && 'luns' in value);
  return value as TargetDocument;
}

export function sameReference(a: LunReference, b: LunReference): boolean {
  return a.vlun === b.vlun && a.snapshot === b.snapshot;
}

/** NAME or NAME@SNAP, as the operator writes it. */
export function referenceText(reference: LunReference): string {
  return reference.snapshot === undefined ? reference.vlun : `${reference.vlun}@${reference.snapshot}`;
}

/** NAME or NAME@SNAP taken apart. */
export function referenceOf(text: string): LunReference {
  const [vlun = '', snapshot] = text.split('@', 2);
  return snapshot === undefined ? { vlun } : { vlun, snapshot };
}

/** The document in which this initiator is shown these LUNs only, or all. */
export function withMask(
  { lunMasks = {}, ...document }: TargetDocument,
  name: string,
  luns: readonly number[] | undefined,
): TargetDocument {
  const { [name]: _before, ...others } = lunMasks;
  const masks = luns === undefined ? others : { ...others, [name]: [...new Set(luns)].sort((a, b) => a - b) };
  return Object.keys(masks).length === 0 ? document : { ...document, lunMasks: masks };
}
