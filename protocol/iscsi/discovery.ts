/** SendTargets (RFC 7143 §13.3 and Appendix C): what an initiator is told of the targets it may use. */
import type { TextPair } from 'node-iscsi-pdu';
import type { Asker, TargetDirectory, TargetListing } from './directory.ts';
import { normaliseName } from './login-identity.ts';

export interface SendTargetsOptions {
  readonly directory: TargetDirectory;
  readonly asker: Asker;
  /** The target of a normal session; undefined in a discovery session. */
  readonly ownTarget: string | undefined;
  /** The answer is cut after the last target that fits. */
  readonly bytesMax: number;
}

/**
 * The answer to SendTargets=`value`: All in a discovery session, one's own target by nothing or by name
 * in a normal one.
 */
export function sendTargets(value: string, options: SendTargetsOptions): readonly TextPair[] {
  const { ownTarget } = options;
  const rejected: readonly TextPair[] = [['SendTargets', 'Reject']];
  if (value === 'All') {
    return ownTarget === undefined ? describe(options, () => true) : rejected;
  }
  const wanted = value === '' ? ownTarget : normaliseName(value);
  if (wanted === undefined) return rejected;
  if (ownTarget !== undefined && wanted !== normaliseName(ownTarget)) return rejected;
  return describe(options, (listing) => normaliseName(listing.targetName) === normaliseName(wanted));
}

function describe(options: SendTargetsOptions, wanted: (listing: TargetListing) => boolean): TextPair[] {
  const pairs: TextPair[] = [];
  let bytes = 0;
  for (const listing of options.directory.list(options.asker)) {
    if (!wanted(listing)) continue;
    const record = describeOne(listing);
    for (const [key, value] of record) bytes += key.length + value.length + 2;
    if (bytes > options.bytesMax) break;
    pairs.push(...record);
  }
  return pairs;
}

function describeOne(listing: TargetListing): TextPair[] {
  const record: TextPair[] = [['TargetName', listing.targetName]];
  for (const { address, portalGroupTag } of listing.addresses) {
    record.push(['TargetAddress', `${address},${portalGroupTag}`]);
  }
  return record;
}
