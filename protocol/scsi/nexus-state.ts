import type { CopyResults } from './copy/copy-results.ts';
import type { TokenOperations } from './copy/token-operations.ts';
import type { TargetPort } from './target-port.ts';
import { UnitAttentions } from './unit-attention.ts';

export interface InitiatorPort {
  /** iSCSI initiator port name: "iqn…,i,0x" and the ISID (RFC 7143 §4.4.1). */
  readonly portName: string;
  /** iSCSI name of the initiator. */
  readonly deviceName: string;
}

/** What the SCSI layer keeps of one I_T nexus while it lives. */
export class NexusState {
  readonly initiator: InitiatorPort;
  readonly targetPort: TargetPort;
  readonly attentions = new UnitAttentions();
  /** What WRITE BUFFER left at a unit, by whatever object stands for the unit. */
  readonly echoes = new WeakMap<object, Uint8Array>();
  /** What became of copies that were asked for at a unit. */
  readonly copies = new WeakMap<object, CopyResults>();
  /** What became of POPULATE TOKEN and WRITE USING TOKEN at a unit. */
  readonly tokenOperations = new WeakMap<object, TokenOperations>();

  constructor(initiator: InitiatorPort, targetPort: TargetPort) {
    this.initiator = initiator;
    this.targetPort = targetPort;
  }
}
