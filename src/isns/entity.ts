/** What an iSNS server is told of this one. */
import { isIP } from 'node:net';
import { parsePortal } from '../shell/portal.ts';
import type { Targets } from '../targets/targets.ts';
import type { IsnsEntity } from './messages.ts';

export interface EntityOptions {
  readonly targets: Targets;
  /** Takes the place of where the server listens. */
  readonly advertise: readonly string[];
  readonly portals: readonly string[];
}

/** Only numeric addresses can be registered, and a wildcard is none (RFC 4171 §6.3.1). */
export function describeEntity({ targets, advertise, portals }: EntityOptions): IsnsEntity {
  const addresses = (advertise.length > 0 ? advertise : portals).map((text) => parsePortal(text));
  return {
    identifier: targets.server.defaultTarget,
    portals: addresses
      .filter(({ host }) => isIP(host) !== 0 && host !== '0.0.0.0' && host !== '::')
      .map(({ host, port }) => ({ address: host, port })),
    targets: targets.list().map(({ name }) => ({ name, alias: targets.document(name).alias })),
  };
}
