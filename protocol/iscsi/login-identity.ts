/**
 * Who logs in, and to what: the naming keys of the first request (RFC 7143 §6.3, §13.4 to §13.9, §13.21)
 * against the directory. The first complete request must say all of it.
 */
import { LoginStatus } from 'node-iscsi-pdu';
import type { Asker, Authentication, TargetDirectory } from './directory.ts';
import { IscsiPeerError } from './errors.ts';

export interface LoginIdentity {
  readonly kind: 'discovery' | 'normal';
  /** Normalised. */
  readonly initiatorName: string;
  /** Undefined in a discovery session. */
  readonly targetName: string | undefined;
  readonly targetAlias: string | undefined;
  readonly portalGroupTag: number;
  readonly authentication: Authentication;
}

/** The target is somewhere else: the login ends with this status and TargetAddress. */
export interface Redirection {
  readonly kind: 'moved';
  readonly status: LoginStatus;
  readonly address: string;
}

/** Longest iSCSI name, bytes in UTF-8 (RFC 7143 §4.2.7.1). */
export const ISCSI_NAME_BYTES_MAX = 223;

/**
 * Letters in lower case, marks composed, as RFC 7143 §4.2.7.2 compares names; undefined when it can be
 * no name.
 */
export function normaliseName(name: string): string | undefined {
  const normal = name.normalize('NFKC').toLowerCase();
  const forbidden = /[\s\p{C}]/u.test(normal);
  if (normal === '' || forbidden || utf8Bytes(normal) > ISCSI_NAME_BYTES_MAX) return undefined;
  return normal;
}

function utf8Bytes(text: string): number {
  let count = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    count += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
  }
  return count;
}

export function refuse(status: LoginStatus, why: string): IscsiPeerError {
  return new IscsiPeerError(why, { login: status });
}

/** Reads the naming keys; throws the login status of what is missing, wrong or not allowed. */
export function identify(
  keys: ReadonlyMap<string, string>,
  directory: TargetDirectory,
  whence: Omit<Asker, 'initiatorName'>,
): LoginIdentity | Redirection {
  const givenName = keys.get('InitiatorName');
  if (givenName === undefined) throw refuse(LoginStatus.MISSING_PARAMETER, 'InitiatorName is missing');
  const initiatorName = normaliseName(givenName);
  if (initiatorName === undefined)
    throw refuse(LoginStatus.INITIATOR_ERROR, 'InitiatorName is no iSCSI name');
  const asker: Asker = { initiatorName, ...whence };
  const sessionType = keys.get('SessionType') ?? 'Normal';
  if (sessionType === 'Discovery') return discoveryIdentity(directory, asker);
  if (sessionType !== 'Normal') {
    throw refuse(LoginStatus.SESSION_TYPE_NOT_SUPPORTED, 'SessionType is neither Normal nor Discovery');
  }
  const targetName = keys.get('TargetName');
  if (targetName === undefined) throw refuse(LoginStatus.MISSING_PARAMETER, 'TargetName is missing');
  return targetIdentity(normaliseName(targetName), directory, asker);
}

function discoveryIdentity(directory: TargetDirectory, asker: Asker): LoginIdentity {
  return {
    kind: 'discovery',
    initiatorName: asker.initiatorName,
    targetName: undefined,
    targetAlias: undefined,
    portalGroupTag: 0,
    authentication: directory.discovery(asker),
  };
}

function targetIdentity(
  targetName: string | undefined,
  directory: TargetDirectory,
  asker: Asker,
): LoginIdentity | Redirection {
  const answer = targetName === undefined ? undefined : directory.find(targetName, asker);
  switch (answer?.kind) {
    case 'found':
      return {
        kind: 'normal',
        initiatorName: asker.initiatorName,
        targetName: answer.targetName,
        targetAlias: answer.targetAlias,
        portalGroupTag: answer.portalGroupTag,
        authentication: answer.authentication,
      };
    case 'forbidden':
      throw refuse(LoginStatus.AUTHORIZATION_FAILURE, 'the initiator may not use this target');
    case 'removed':
      throw refuse(LoginStatus.TARGET_REMOVED, 'the target was removed');
    case 'unavailable':
      throw refuse(LoginStatus.SERVICE_UNAVAILABLE, 'the target is not operational');
    case 'moved':
      return {
        kind: 'moved',
        status: answer.permanent
          ? LoginStatus.TARGET_MOVED_PERMANENTLY
          : LoginStatus.TARGET_MOVED_TEMPORARILY,
        address: answer.address,
      };
    case 'not-found':
    case undefined:
      throw refuse(LoginStatus.NOT_FOUND, 'there is no such target');
    default:
      return answer satisfies never;
  }
}
