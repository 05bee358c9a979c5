import type { Authentication, TargetDirectory } from '../../../protocol/iscsi/directory.ts';

export const TARGET_NAME = 'iqn.2026-01.test:disk';
export const OTHER_TARGET_NAME = 'iqn.2026-01.test:other';

/** Two targets in portal group 1, the same authentication for both and for discovery. */
export function testDirectory(authentication: Authentication = { method: 'none' }): TargetDirectory {
  const names = [TARGET_NAME, OTHER_TARGET_NAME];
  return {
    find: (targetName, { portalGroupTag }) =>
      names.includes(targetName)
        ? { kind: 'found', targetName, targetAlias: 'a disk', portalGroupTag, authentication }
        : { kind: 'not-found' },
    discovery: () => authentication,
    list: ({ localAddress, portalGroupTag }) =>
      names.map((targetName) => ({
        targetName,
        addresses: [{ address: localAddress, portalGroupTag }],
      })),
  };
}
