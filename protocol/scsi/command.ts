/**
 * A SCSI command is one row: its layout, what it needs and how it bears on reservations stand beside
 * its handler, and the type demands every column. From the rows come dispatch, the checks of
 * `execute.ts` and the whole answer to REPORT SUPPORTED OPERATION CODES.
 */
import {
  type BitPosition,
  compileLayout,
  firstBitSet,
  type Layout,
  positionOf,
  type RecordOf,
  reservedMask,
  usageBitmap,
} from 'node-iscsi-pdu/fields';
import type { LogicalUnit } from '../../lun/logical-unit.ts';
import type { MaybePromise } from '../../lun/units.ts';
import type { RunsIn } from './alua/access-state.ts';
import type { RodTokens } from './copy/rod-tokens.ts';
import type { DeviceServer, Needs } from './device-server.ts';
import type { NexusState } from './nexus-state.ts';
import type { Outcome } from './outcome.ts';
import type { Transfers } from './statistics.ts';
import type { TargetPort } from './target-port.ts';
import type { ScsiTask } from './task.ts';

export interface Product {
  /** T10 VENDOR IDENTIFICATION, at most 8 ASCII characters. */
  readonly vendor: string;
  /** PRODUCT IDENTIFICATION, at most 16 ASCII characters. */
  readonly product: string;
  /** PRODUCT REVISION LEVEL, at most 4 ASCII characters. */
  readonly revision: string;
}

/** What a command may know of the target it came through. */
export interface TargetFacts {
  /** iSCSI name of the target. */
  readonly name: string;
  readonly product: Product;
  readonly commands: CommandTable;
  readonly tokens: RodTokens;
  /** By their identifiers, ascending. */
  targetPorts(): readonly TargetPort[];
  /** What this nexus is shown, ascending. */
  lunNumbers(nexus: NexusState): readonly number[];
  /** The units that this nexus is shown, by the LUN it has for each. */
  unitsOf(nexus: NexusState): Iterable<DeviceServer>;
  /** Wall clock, milliseconds since 1970. */
  nowMs(): number;
  /** A buffer for data-in. Its bytes may be anything: the command fills all of it. */
  allocate(bytes: number): Uint8Array;
}

/** A command on its way to a logical unit that exists. */
export interface Request {
  readonly target: TargetFacts;
  readonly server: DeviceServer;
  readonly nexus: NexusState;
  readonly task: ScsiTask;
}

/** A command for a LUN that stands for no logical unit. */
export interface AbsentRequest {
  readonly target: TargetFacts;
  readonly nexus: NexusState;
  readonly task: ScsiTask;
}

/** What a command does while another nexus holds a reservation (SPC-4 Table 69, SBC-3 Table 13). */
export type ReservedAccess =
  /** Never conflicts. */
  | 'allowed'
  /** Conflicts only with reservations of exclusive access. */
  | 'read'
  /** Conflicts with every reservation. */
  | 'write';

/** What a command does while another nexus holds RESERVE(6) (SPC-2 Table 10). */
export type LegacyReservedAccess = 'allowed' | 'conflict';

interface Columns<L extends Layout> extends Needs {
  readonly name: string;
  readonly opcode: number;
  /** Present for a command that is told apart by SERVICE ACTION, in byte 1 bits 4–0. */
  readonly serviceAction?: number;
  readonly cite: string;
  readonly cdbBytes: 6 | 10 | 12 | 16;
  /** The fields that are understood; every other bit must be zero. */
  readonly cdb: L;
  /** Fields that the standard names and that must be zero here: they give the field pointer its place. */
  readonly refused?: Layout;
  /** Is refused while the unit is write protected, and reports failures of the store as write errors. */
  readonly writes: boolean;
  readonly reserved: ReservedAccess | ((cdb: Uint8Array) => ReservedAccess);
  readonly reserved6: LegacyReservedAccess | ((cdb: Uint8Array) => LegacyReservedAccess);
  /** The least accessible state of the target port group in which it runs; the active ones unless stated. */
  readonly runsIn?: RunsIn;
  /** What it counts as in the log pages; nothing unless stated. */
  readonly transfers?: Transfers;
  /** Runs although a unit attention waits, and leaves it waiting (SAM-5 §5.14). */
  readonly ignoresAttention?: boolean;
  /** Whether the unit has this command at all; every unit unless stated. */
  readonly available?: (unit: LogicalUnit) => boolean;
}

interface Decoded<L extends Layout> {
  run(request: Request, fields: RecordOf<L>): MaybePromise<Outcome>;
  /** Answers for a LUN without a logical unit; other commands get LOGICAL UNIT NOT SUPPORTED. */
  absent?(request: AbsentRequest, fields: RecordOf<L>): Outcome;
}

/** The hot commands read their CDB by hand; a test holds them to their layout. */
interface ByHand {
  runByHand(request: Request): MaybePromise<Outcome>;
}

export type CommandSpec<L extends Layout> = Columns<L> & (Decoded<L> | ByHand);

/** A row ready to run. */
export interface CommandRow extends Columns<Layout> {
  /** CDB USAGE DATA (SPC-4 §6.35.3): the opcode, the service action and a one for every bit understood. */
  readonly usage: Uint8Array;
  /** The first bit that must be zero and is not, at the field it belongs to. */
  misused(cdb: Uint8Array): BitPosition | undefined;
  run(request: Request): MaybePromise<Outcome>;
  readonly absent: ((request: AbsentRequest) => Outcome) | undefined;
}

const SERVICE_ACTION_MASK = 0x1f;

export function serviceActionOf(cdb: Uint8Array): number {
  return (cdb[1] as number) & SERVICE_ACTION_MASK;
}

export function command<const L extends Layout>(spec: CommandSpec<L>): CommandRow {
  const reserved = reservedMask(spec.cdb, spec.cdbBytes);
  const usage = usageBitmap(spec.cdb, spec.cdbBytes);
  reserved[0] = 0;
  usage[0] = spec.opcode;
  if (spec.serviceAction !== undefined) {
    reserved[1] = (reserved[1] as number) & ~SERVICE_ACTION_MASK;
    usage[1] = (usage[1] as number) | spec.serviceAction;
  }
  const codec = compileLayout(spec.cdb);
  const decoded = 'run' in spec ? spec : undefined;
  const absent = decoded?.absent?.bind(decoded);
  return {
    ...spec,
    usage,
    misused: (cdb) => misusedBit(cdb, reserved, spec.refused),
    run:
      'run' in spec
        ? (request) => spec.run(request, codec.decode(request.task.cdb))
        : (request) => spec.runByHand(request),
    absent: absent === undefined ? undefined : (request) => absent(request, codec.decode(request.task.cdb)),
  };
}

function misusedBit(cdb: Uint8Array, reserved: Uint8Array, refused: Layout = {}): BitPosition | undefined {
  for (let at = 0; at < reserved.length; at += 1) {
    if (((cdb[at] as number) & (reserved[at] as number)) === 0) continue;
    const first = firstBitSet(reserved, cdb);
    if (first === undefined) return undefined;
    const field = Object.values(refused).find(
      ({ byte, byteCount, msb, lsb }) =>
        first.byte >= byte && first.byte < byte + byteCount && first.bit <= msb && first.bit >= lsb,
    );
    return field === undefined ? first : positionOf(field);
  }
  return undefined;
}

/** Rows by opcode, and by service action where the opcode has them. */
export class CommandTable {
  readonly rows: readonly CommandRow[];
  readonly #byOpcode: (CommandRow | undefined)[] = new Array(256).fill(undefined);
  readonly #byServiceAction: (Map<number, CommandRow> | undefined)[] = new Array(256).fill(undefined);

  constructor(rows: readonly CommandRow[]) {
    this.rows = rows;
    for (const row of rows) {
      if (row.serviceAction === undefined) {
        this.#byOpcode[row.opcode] = row;
        continue;
      }
      const actions = this.#byServiceAction[row.opcode] ?? new Map<number, CommandRow>();
      this.#byServiceAction[row.opcode] = actions.set(row.serviceAction, row);
    }
  }

  find(cdb: Uint8Array): CommandRow | undefined {
    const opcode = cdb[0] as number;
    return this.#byOpcode[opcode] ?? this.#byServiceAction[opcode]?.get(serviceActionOf(cdb));
  }

  hasServiceActions(opcode: number): boolean {
    return this.#byServiceAction[opcode] !== undefined;
  }

  findBy(opcode: number, serviceAction: number | undefined): CommandRow | undefined {
    return serviceAction === undefined
      ? this.#byOpcode[opcode]
      : this.#byServiceAction[opcode]?.get(serviceAction);
  }
}
