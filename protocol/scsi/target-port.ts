/**
 * Target ports: an iSCSI target has one for each portal group, named after both (RFC 7143 §4.4.1), and the
 * tag of the group is its relative target port identifier. All of them are in one target port group (SPC-4
 * §5.15), since one gateway serves them all alike.
 */

/** The tag of portals that nobody gave another. */
export const DEFAULT_PORTAL_GROUP_TAG = 1;

/** TARGET PORT GROUP of every port. */
export const TARGET_PORT_GROUP = 1;

export interface TargetPort {
  /** SCSI port name: "iqn…,t,0x0001". */
  readonly name: string;
  /** RELATIVE TARGET PORT IDENTIFIER, 1 … 65535. */
  readonly relativeId: number;
}

export function targetPort(targetName: string, portalGroupTag: number): TargetPort {
  const tag = portalGroupTag.toString(16).padStart(4, '0');
  return { name: `${targetName},t,0x${tag}`, relativeId: portalGroupTag };
}
