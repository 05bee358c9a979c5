import { ScsiCommand, type TextPair } from 'node-iscsi-pdu';
import type { Limits } from '../../../../protocol/iscsi/limits.ts';
import {
  type MemoryConnection,
  MemoryTarget,
  RawPeer,
  type ScriptedTask,
  TARGET_NAME,
  testDirectory,
} from '../../../support/initiator/index.ts';

export const CDB = new Uint8Array(16);

/** A raw peer in the full feature phase of a normal session. */
export interface Script {
  readonly target: MemoryTarget;
  readonly connection: MemoryConnection;
  readonly peer: RawPeer;
  /** Tags of the tasks that SCSI got, in order. */
  readonly ran: number[];
}

/** `hold`: tasks stay with SCSI until the test finishes them. */
export function script(
  options: {
    readonly limits?: Partial<Limits>;
    readonly hold?: boolean;
    readonly keys?: readonly TextPair[];
  } = {},
): Script {
  const ran: number[] = [];
  const target = new MemoryTarget({
    directory: testDirectory(),
    limits: options.limits ?? {},
    run: (task) => {
      ran.push(task.tag);
      return options.hold === true ? undefined : { status: 0, transferBytes: 0 };
    },
  });
  const connection = target.connect();
  const peer = new RawPeer(connection.transport);
  peer.establish(TARGET_NAME, options.keys);
  return { target, connection, peer, ran };
}

export function testUnitReady(peer: RawPeer, cmdSN: number, tag = cmdSN, immediate = false): void {
  peer.send(ScsiCommand, { final: true, immediate, attr: 1, initiatorTaskTag: tag, cmdSN, cdb: CDB });
}

export const finish = (task: ScriptedTask | undefined): void => task?.finish({ status: 0, transferBytes: 0 });
