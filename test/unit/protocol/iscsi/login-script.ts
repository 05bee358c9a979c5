import type { TextPair } from 'node-iscsi-pdu';
import type { TargetDirectory } from '../../../../protocol/iscsi/directory.ts';
import type { Limits } from '../../../../protocol/iscsi/limits.ts';
import { MemoryTarget, RawPeer, TARGET_NAME, testDirectory } from '../../../support/initiator/index.ts';

/** The naming keys of a normal session. */
export const NAMES: readonly TextPair[] = [
  ['InitiatorName', 'iqn.2026-01.test:raw'],
  ['SessionType', 'Normal'],
  ['TargetName', TARGET_NAME],
];
export const FINISH = { transit: true, csg: 1, nsg: 3 } as const;
export const SECURITY_TO_OPERATIONAL = { transit: true, csg: 0, nsg: 1 } as const;

/** A target in memory and a raw peer that has just connected. */
export function start(
  directory: TargetDirectory = testDirectory(),
  limits: Partial<Limits> = {},
): { target: MemoryTarget; peer: RawPeer } {
  const target = new MemoryTarget({ directory, limits });
  return { target, peer: new RawPeer(target.connect().transport) };
}
