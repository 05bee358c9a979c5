/**
 * One SCSI command between its arrival and its end. SCSI gets it as it is: it has the form of a
 * `ScsiTask`.
 */
import { TaskAttribute as Attribute, type ReceivedMemory } from 'node-iscsi-pdu';
import type { DataOutGatherer } from './data-out.ts';
import type { ScsiTask, TaskAttribute } from './effects.ts';

/**
 * `gathering`: data-out, or the turn by CmdSN, is awaited. `running`: in the hands of SCSI.
 * `ended`: answered, or dropped without an answer.
 */
export type TaskPhase = 'gathering' | 'running' | 'ended';

/** Several tasks that are to end; `done` is called once when the last of them has. */
export interface AbortGroup {
  remaining: number;
  readonly done: () => void;
}

/** By the codes of RFC 7143 §11.3.1. */
const ATTRIBUTES: readonly TaskAttribute[] = ['untagged', 'simple', 'ordered', 'head-of-queue', 'aca'];

/** The attribute of a code; reserved codes have none. */
export function attributeOf(code: number): TaskAttribute | undefined {
  return code <= Attribute.ACA ? ATTRIBUTES[code] : undefined;
}

/** What the header of a command says. */
export interface TaskFields {
  readonly lun: Uint8Array;
  readonly tag: number;
  readonly attribute: TaskAttribute;
  readonly cdb: Uint8Array;
  readonly reads: boolean;
  /** Expected Data Transfer Length. */
  readonly expectedBytes: number;
  readonly immediate: boolean;
  readonly cmdSN: number;
  /** What LUN, CDB and immediate data lie in; held until the task has ended. */
  readonly memory: ReceivedMemory | undefined;
}

const NO_BYTES = new Uint8Array(0);

export class Task implements ScsiTask {
  readonly lun: Uint8Array;
  readonly tag: number;
  readonly attribute: TaskAttribute;
  readonly cdb: Uint8Array;
  readonly reads: boolean;
  readonly expectedBytes: number;
  readonly immediate: boolean;
  readonly cmdSN: number;
  readonly memory: ReceivedMemory | undefined;
  dataOut: Uint8Array = NO_BYTES;
  phase: TaskPhase = 'gathering';
  /** Its turn by CmdSN has come. */
  inOrder = true;
  /** It was aborted: it ends without a response. */
  muted = false;
  gatherer: DataOutGatherer | undefined;
  /** Sense data that ends the command before SCSI sees it. */
  refusal: Uint8Array | undefined;
  /** Of the session's memory for data-out. */
  reservedBytes = 0;
  abortGroups: AbortGroup[] | undefined;

  constructor(fields: TaskFields) {
    this.lun = fields.lun;
    this.tag = fields.tag;
    this.attribute = fields.attribute;
    this.cdb = fields.cdb;
    this.reads = fields.reads;
    this.expectedBytes = fields.expectedBytes;
    this.immediate = fields.immediate;
    this.cmdSN = fields.cmdSN;
    this.memory = fields.memory;
  }

  get dataInBytesMax(): number {
    return this.reads ? this.expectedBytes : 0;
  }
}
