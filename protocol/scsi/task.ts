/** One command in and one result out: what the transport and the SCSI layer hand each other (SAM-5 §5.1). */

export type TaskAttribute = 'untagged' | 'simple' | 'ordered' | 'head-of-queue' | 'aca';

/** One command as the transport delivered it. */
export interface ScsiTask {
  /** The LUN field, 8 bytes (SAM-5 §4.7). */
  readonly lun: Uint8Array;
  /** Unique within the nexus while the task runs. */
  readonly tag: number;
  readonly attribute: TaskAttribute;
  /** 16 bytes or more; what lies behind the command's own length is ignored. */
  readonly cdb: Uint8Array;
  /** Exactly the bytes that the initiator sent; empty when none. */
  readonly dataOut: Uint8Array;
  /** Bytes of data-in that the initiator has room for. A read fetches no block that could not be sent. */
  readonly dataInBytesMax: number;
}

/** Bytes that the command moves at most, both ways. */
export function movedBytesMax({ dataOut, dataInBytesMax }: ScsiTask): number {
  return dataOut.byteLength + dataInBytesMax;
}

export interface TaskResult {
  /** SAM status byte (SAM-5 §5.3.1). */
  readonly status: number;
  /** Fixed or descriptor sense data, without a length in front. */
  readonly sense?: Uint8Array;
  /**
   * What the command transfers in, after ALLOCATION LENGTH; may be longer than the initiator has room
   * for.
   */
  readonly dataIn?: Uint8Array;
  /**
   * Bytes that the command wanted to transfer in its direction: the residual is this minus what was
   * expected.
   */
  readonly transferBytes: number;
}
