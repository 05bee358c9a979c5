/** What an iSNS server is told of this one. */
import { isIP } from 'node:net';
import type { TargetAddress } from '../../protocol/iscsi/directory.ts';
import { parsePortal } from '../shell/portal.ts';
import type { Targets } from '../targets/targets.ts';
import type { IsnsEntity } from './messages.ts';

export interface EntityOptions {
  readonly targets: Targets;
  /** Takes the place of where the server listens. */
  readonly advertise: readonly TargetAddress[];
  readonly portals: readonly TargetAddress[];
}

/** Only numeric addresses can be registered, and a wildcard is none (RFC 4171 §6.3.1). */
export function describeEntity({ targets, advertise, portals }: EntityOptions): IsnsEntity {
  const addresses = (advertise.length > 0 ? advertise : portals).map(({ address, portalGroupTag }) => ({
    ...parsePortal(address),
    portalGroupTag,
  }));
  return {
    identifier: targets.server.defaultTarget,
    portals: addresses
      .filter(({ host }) => isIP(host) !== 0 && host !== '0.0.0.0' && host !== '::')
      .map(({ host, port, portalGroupTag }) => ({ address: host, port, portalGroupTag })),
    targets: targets.list().map(({ name }) => ({ name, alias: targets.document(name).alias })),
  };
}
