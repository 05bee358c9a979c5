/** Answers what a login asks, from the documents of the moment. */
import type {
  Asker,
  Authentication,
  ChapCredentials,
  TargetAddress,
  TargetAnswer,
  TargetDirectory,
  TargetListing,
} from '../../protocol/iscsi/directory.ts';
import { isLoopback } from '../shell/portal.ts';
import type { StoredCredentials, TargetDocument } from './documents.ts';
import type { Targets } from './targets.ts';

export interface DirectoryOptions {
  readonly targets: Targets;
  /** What SendTargets answers instead of the addresses that are listened on. */
  readonly advertise: () => readonly TargetAddress[];
  /** Where the server listens. */
  readonly portals: () => readonly TargetAddress[];
  /** False while the server stops: logins are told "service unavailable". */
  readonly accepting: () => boolean;
}

export function targetDirectory(options: DirectoryOptions): TargetDirectory {
  const { targets } = options;
  const usable = (document: TargetDocument, initiatorName: string): boolean =>
    document.allowedInitiators === undefined || document.allowedInitiators.includes(initiatorName);
  return {
    find(targetName: string, asker: Asker): TargetAnswer {
      const name = targetName.toLowerCase();
      if (targets.find(name) === undefined) {
        return { kind: targets.server.removedTargets.includes(name) ? 'removed' : 'not-found' };
      }
      if (!options.accepting()) return { kind: 'unavailable' };
      const document = targets.document(name);
      if (!usable(document, asker.initiatorName.toLowerCase())) return { kind: 'forbidden' };
      if (document.redirect !== undefined) return { kind: 'moved', ...document.redirect };
      return {
        kind: 'found',
        targetName: name,
        ...(document.alias === undefined ? {} : { targetAlias: document.alias }),
        portalGroupTag: asker.portalGroupTag,
        authentication: authenticationOf([document]),
      };
    },
    discovery(asker: Asker): Authentication {
      const documents = targets.list().map((target) => targets.document(target.name));
      const open = documents.some(
        (document) =>
          document.chapInbound === undefined && usable(document, asker.initiatorName.toLowerCase()),
      );
      // Where some target needs no secret, neither does asking which there are: a name alone opens nothing.
      return open || documents.length === 0 ? { method: 'none' } : authenticationOf(documents);
    },
    list(asker: Asker): readonly TargetListing[] {
      const advertise = options.advertise();
      const addresses = advertise.length > 0 ? advertise : reachable(asker, options.portals());
      return targets
        .list()
        .filter((target) => usable(targets.document(target.name), asker.initiatorName.toLowerCase()))
        .map((target) => ({ targetName: target.name, addresses }));
    },
  };
}

/** The address by which the asker came, and every other one that means something to it. */
function reachable(
  { localAddress, portalGroupTag }: Asker,
  portals: readonly TargetAddress[],
): readonly TargetAddress[] {
  const others = portals.filter(
    ({ address }) =>
      address !== localAddress && !isWildcard(address) && (!isLoopback(address) || isLoopback(localAddress)),
  );
  return [{ address: localAddress, portalGroupTag }, ...others];
}

/** It listens on whatever addresses there are, and is none itself. */
function isWildcard(address: string): boolean {
  return /^(0\.0\.0\.0|\[::\]):/.test(address);
}

function authenticationOf(documents: readonly TargetDocument[]): Authentication {
  const inbound: ChapCredentials[] = [];
  let outbound: StoredCredentials | undefined;
  for (const document of documents) {
    if (document.chapInbound === undefined) continue;
    inbound.push(credentials(document.chapInbound));
    outbound ??= document.chapOutbound;
  }
  if (inbound.length === 0) return { method: 'none' };
  return {
    method: 'chap',
    inbound,
    ...(outbound === undefined ? {} : { outbound: credentials(outbound) }),
  };
}

function credentials(stored: StoredCredentials): ChapCredentials {
  return { name: stored.name, secret: Buffer.from(stored.secretHex, 'hex') };
}
