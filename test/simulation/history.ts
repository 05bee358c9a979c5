/**
 * What should be on the pool, step by step. The simulation reads the journal as the pool appends it
 * (journal-tap.ts); each record is matched with a command in flight whose result it describes, block sum by
 * block sum, and moves the model on. So the model goes through the pool's own order of things, and can be
 * taken to any place of the journal: to where a read may have been, and to where a crash has cut.
 */
import assert from 'node:assert';
import type { CheckedExtent } from '../../snapshot/check-journal.ts';
import { type Command, type CopySource, torn } from './command.ts';
import { bytesOfStamps } from './content.ts';
import { Disagreement } from './disagreement.ts';
import { type Before, Model } from './model.ts';
import {
  copiedPortions,
  equal,
  overlaps,
  type Piece,
  type Portion,
  portionOf,
  putBack,
  SECTORS_PER_POOL_BLOCK,
} from './pieces.ts';

interface Step {
  readonly sequence: number;
  readonly command: Command;
  readonly befores: readonly Before[];
  readonly apply: (model: Model) => void;
}

export class History {
  readonly #checksum: (bytes: Uint8Array) => number;
  /** The state at the last opening. */
  #base = new Model();
  /** The state after every record appended so far. */
  head = new Model();
  #steps: Step[] = [];
  #inFlight: Command[] = [];
  readonly #names = new Map<number, string>();
  #moment = 0;
  #commands = 0;
  /** The sequence of the last record appended. */
  appended = 0;
  /** Every record up to this one belongs to a command that was acknowledged. */
  acknowledged = 0;
  /** Deletions since the last opening: commands on what was deleted may find it gone. */
  deletions = 0;
  /** Every record up to this one was promised to survive power loss. */
  durable = 0;

  constructor(checksum: (bytes: Uint8Array) => number) {
    this.#checksum = checksum;
  }

  /** Commands so far. */
  get issued(): number {
    return this.#commands;
  }

  get inFlight(): readonly Command[] {
    return this.#inFlight;
  }

  issue(
    command: Pick<Command, 'what'> &
      Partial<Pick<Command, 'vlun' | 'pieces' | 'copied' | 'expected' | 'atomic' | 'restructure'>>,
  ): Command {
    this.#moment += 1;
    this.#commands += 1;
    const issued = {
      pieces: [],
      ...command,
      id: this.#commands,
      issuedAt: this.#moment,
      restructured: false,
      sequence: 0,
      records: 0,
    };
    this.#inFlight.push(issued);
    return issued;
  }

  /** The command came back good: all that it was to change must have been changed. */
  acknowledge(command: Command, durable: boolean): void {
    if (command.restructure === undefined) {
      for (const one of command.pieces) this.#coverRest(command, one);
    } else if (!command.restructured) {
      throw new Disagreement(`${command.what} returned although no record of it was appended`);
    }
    this.#end(command, true);
    this.acknowledged = Math.max(this.acknowledged, command.sequence);
    if (durable) this.durable = Math.max(this.durable, command.sequence);
  }

  /** A flush begun when `acknowledged` stood there has come back good. */
  flushed(acknowledged: number): void {
    this.durable = Math.max(this.durable, acknowledged);
  }

  /** The command failed, or changed nothing. */
  abandon(command: Command): void {
    this.#end(command, false);
  }

  /** The process is dead: nothing is in flight any more. */
  abandonAll(): void {
    for (const command of [...this.#inFlight]) this.#end(command, false);
  }

  /** Which VLUN a number in a record means. A number lost in a crash may come again with another name. */
  learnName(id: number, name: string): void {
    this.#names.set(id, name);
  }

  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  /** A record of writes was appended. */
  wrote(sequence: number, extents: readonly CheckedExtent[]): void {
    this.appended = sequence;
    const names = new Set(extents.map(({ vlun }) => this.#names.get(vlun)));
    const complaints: string[] = [];
    for (const command of this.#inFlight) {
      if (command.vlun === undefined || !names.has(command.vlun)) continue;
      const complaint = this.#try(command, sequence, extents);
      if (complaint === undefined) return;
      complaints.push(`${command.what}: ${complaint}`);
    }
    const shown = extents.map((extent) => this.#describe(extent)).join(', ');
    throw new Disagreement(
      `record ${sequence} (${shown}) fits no command in flight; ${complaints.join('; ') || 'none is on that VLUN'}`,
    );
  }

  /** A record of a structural verb was appended. */
  restructured(sequence: number, command: Command): void {
    this.appended = sequence;
    const { restructure } = command;
    assert(restructure !== undefined && !command.restructured);
    const units = this.head.vluns.size + this.head.snapshots.size;
    const sources = this.#inFlight.map((copy) => [copy, this.#sourceOf(copy)] as const);
    const replaced = restructure(this.head);
    const befores: readonly Before[] = Array.isArray(replaced) ? replaced : [];
    if (this.head.vluns.size + this.head.snapshots.size < units) this.deletions += 1;
    for (const [copy, source] of sources)
      if (source !== undefined && this.#sourceOf(copy) === undefined) copy.source = source;
    command.restructured = true;
    command.sequence = sequence;
    command.records += 1;
    this.#steps.push({ sequence, command, befores, apply: restructure });
  }

  /** A record that changes nothing anyone reads was appended. */
  passed(sequence: number): void {
    this.appended = sequence;
  }

  /** An opening goes on after the record with this sequence: what was appended behind it never comes back. */
  cutAfter(sequence: number): void {
    this.#steps = this.#steps.filter((step) => step.sequence <= sequence);
    this.appended = sequence;
  }

  /** The pool was opened at this place of the journal, after `cutAfter`: what is there is there for good. */
  recoverTo(sequence: number): void {
    const model = this.#base;
    for (const step of this.#steps) step.apply(model);
    this.#base = model;
    this.head = model.clone();
    this.#steps = [];
    this.deletions = 0;
    this.acknowledged = sequence;
    this.durable = sequence;
  }

  /** Does `fits` hold for these sectors of a VLUN at some moment since the command was issued? */
  everSince(
    command: Command,
    region: { readonly vlun: string; readonly firstSector: number; readonly sectors: number },
    fits: (stamps: Uint32Array) => boolean,
  ): boolean {
    const { vlun, firstSector, sectors } = region;
    const stamps = this.head.vlun(vlun).stamps.slice(firstSector, firstSector + sectors);
    let newer: Command | undefined;
    for (const step of this.#steps.toReversed()) {
      const touching = step.befores.filter((before) => before.vlun === vlun && overlaps(before, region));
      if (touching.length === 0) continue;
      // Between two records of one command nobody reads.
      if (step.command !== newer) {
        if (!torn(step.command, newer === undefined) && fits(stamps)) return true;
        if (step.command.ended !== undefined && step.command.ended.at < command.issuedAt) return false;
      }
      for (const before of touching.toReversed()) putBack(stamps, firstSector, before);
      newer = step.command;
    }
    return fits(stamps);
  }

  #end(command: Command, good: boolean): void {
    this.#moment += 1;
    command.ended = { at: this.#moment, good };
    this.#inFlight = this.#inFlight.filter((one) => one !== command);
  }

  /** What no record covered must be as the command wanted it already, down the tree. */
  #coverRest(command: Command, one: Piece): void {
    const { vlun } = command;
    assert(vlun !== undefined);
    for (let from = 0; from < one.stamps.length; from += 1) {
      if (one.covered[from] === 1) continue;
      let to = from + 1;
      while (to < one.stamps.length && one.covered[to] !== 1) to += 1;
      this.#expectAlready(command, vlun, {
        firstSector: one.firstSector + from,
        stamps: one.stamps.subarray(from, to),
      });
      if (command.copied !== undefined) this.#expectNothing(command, command.copied, { from, to });
      from = to;
    }
  }

  /** Sectors that a copy made no record for: there was nothing in the source. */
  #expectNothing(command: Command, copied: CopySource, part: { from: number; to: number }): void {
    const { from, to } = part;
    const empty = (stamps: Uint32Array): boolean => stamps.every((stamp) => stamp === 0);
    const source = this.#sourceOf(command);
    if (source !== undefined && empty(source.subarray(from, to))) return;
    const region = { vlun: copied.vlun, firstSector: copied.firstSector + from, sectors: to - from };
    const waited = command.source === undefined && copied.snapshot === undefined;
    if (waited && this.everSince(command, region, empty)) return;
    throw new Disagreement(
      `${command.what} left out sectors ${region.firstSector}+${region.sectors} of its source`,
    );
  }

  /** What a copy takes, from the first sector on; undefined when the source is gone, or for others. */
  #sourceOf({ source, copied, pieces }: Command): Uint32Array | undefined {
    if (source !== undefined || copied === undefined) return source;
    const { firstSector } = copied;
    return this.head.sourceOf(copied)?.slice(firstSector, firstSector + (pieces[0] as Piece).stamps.length);
  }

  /** What is read of a source may be stored after that was deleted; its places are shared no more. */
  #sharesGone(copied: CopySource, own: readonly CheckedExtent[]): boolean {
    return own.some(({ kind }) => kind === 'share') && this.head.sourceOf(copied) === undefined;
  }

  #expectAlready(command: Command, vlun: string, wanted: { firstSector: number; stamps: Uint32Array }): void {
    const { firstSector } = wanted;
    const sectors = Math.min(wanted.stamps.length, this.head.vlun(vlun).sectors - firstSector);
    if (sectors <= 0) return;
    const stamps = wanted.stamps.subarray(0, sectors);
    const was = this.everSince(command, { vlun, firstSector, sectors }, (found) => equal(found, stamps));
    if (!was) {
      throw new Disagreement(
        `${command.what} came back good, but no record changes sectors ${firstSector}+${sectors} of ${vlun}`,
      );
    }
    for (const { name } of this.head.trackersOf(vlun)) this.#expectAlready(command, name, wanted);
  }

  /** Applies what these extents say if the command can have meant them; else says why not. */
  #try(command: Command, sequence: number, extents: readonly CheckedExtent[]): string | undefined {
    const { pieces } = command;
    const complaint = this.#tryPieces(command, pieces, { sequence, extents });
    if (complaint === undefined || pieces.length === 1) return complaint;
    // Two ranges of one UNMAP may share a pool block and be merged into it one after the other.
    const alone = pieces.some((one) => this.#tryPieces(command, [one], { sequence, extents }) === undefined);
    return alone ? undefined : complaint;
  }

  #tryPieces(
    command: Command,
    pieces: readonly Piece[],
    record: { readonly sequence: number; readonly extents: readonly CheckedExtent[] },
  ): string | undefined {
    const { sequence, extents } = record;
    const vlun = command.vlun as string;
    const own = extents.filter((extent) => this.#names.get(extent.vlun) === vlun);
    const met = own.flatMap((extent) => pieces.flatMap((one) => portionOf(one, extent)));
    const source = this.#sourceOf(command);
    if (command.copied !== undefined && (source === undefined || this.#sharesGone(command.copied, own)))
      return 'its source is gone';
    const portions = source === undefined ? met : copiedPortions(met, source);
    if (portions.length === 0) return 'it changes other sectors';
    if (!this.#coversWhole(vlun, own, portions)) return 'whole blocks are more than it changes';
    const news = portions.some(({ of, from, stamps }) =>
      of.covered.subarray(from, from + stamps.length).includes(0),
    );
    // Ranges of one UNMAP that share a pool block write the same zeroes again.
    if (!news && command.pieces.length === 1) return 'it has its records already';
    if (command.atomic === true) {
      const complaint = this.#compared(command, portions);
      if (complaint !== undefined) return complaint;
    }
    const befores: Before[] = [];
    for (const portion of portions) {
      befores.push(...this.head.write(vlun, portion.firstSector, portion.stamps));
    }
    const complaint = this.#mismatch(extents);
    if (complaint !== undefined) {
      this.head.undo(befores.toReversed());
      return complaint;
    }
    for (const { from, stamps, of } of portions) {
      of.stamps.set(stamps, from);
      of.covered.fill(1, from, from + stamps.length);
    }
    if (source !== undefined) command.source = source;
    command.sequence = sequence;
    command.records += 1;
    const apply = (model: Model): void => {
      for (const { firstSector, stamps } of portions) model.write(vlun, firstSector, stamps);
    };
    this.#steps.push({ sequence, command, befores, apply });
    return undefined;
  }

  /** To a tracker, whole blocks are more than the same sectors in parts (P11). */
  #coversWhole(vlun: string, own: readonly CheckedExtent[], portions: readonly Portion[]): boolean {
    const { sectors } = this.head.vlun(vlun);
    for (const { kind, block, blocks } of own) {
      if (kind !== 'write' && kind !== 'hole' && kind !== 'share') continue;
      const first = block * SECTORS_PER_POOL_BLOCK;
      const end = Math.min(sectors, first + blocks * SECTORS_PER_POOL_BLOCK);
      const changed = new Uint8Array(Math.max(0, end - first));
      for (const { firstSector, stamps } of portions) {
        changed.fill(1, Math.max(0, firstSector - first), Math.max(0, firstSector + stamps.length - first));
      }
      if (changed.includes(0)) return false;
    }
    return true;
  }

  /** An atomic command is one record; COMPARE AND WRITE stores only over what it wanted to find. */
  #compared(command: Command, portions: ReadonlyArray<{ readonly stamps: Uint32Array }>): string | undefined {
    const only = command.pieces[0] as Piece;
    const stored = portions.reduce((sum, { stamps }) => sum + stamps.length, 0);
    if (stored !== only.stamps.length) return 'an atomic command is one record';
    const { expected } = command;
    if (expected === undefined) return undefined;
    const { stamps } = this.head.vlun(command.vlun as string);
    const found = stamps.subarray(only.firstSector, only.firstSector + expected.length);
    return equal(found, expected) ? undefined : 'COMPARE AND WRITE found something else than it wanted';
  }

  /** The first block whose sum in the record is not that of the model. */
  #mismatch(extents: readonly CheckedExtent[]): string | undefined {
    for (const extent of extents) {
      const name = this.#names.get(extent.vlun);
      const vlun = name === undefined ? undefined : this.head.vluns.get(name);
      if (vlun === undefined) return `VLUN ${extent.vlun} is not known`;
      for (let i = 0; i < extent.blocks; i += 1) {
        const first = (extent.block + i) * SECTORS_PER_POOL_BLOCK;
        // What lies past the end of the VLUN in its last pool block is nobody's business.
        if (first + SECTORS_PER_POOL_BLOCK > vlun.sectors) continue;
        const expected = vlun.stamps.subarray(first, first + SECTORS_PER_POOL_BLOCK);
        const right =
          extent.sums === undefined
            ? expected.every((stamp) => stamp === 0)
            : extent.sums[i] === this.#checksum(bytesOfStamps(expected));
        if (!right) return `block ${extent.block + i} of ${name} is something else`;
      }
    }
    return undefined;
  }

  #describe({ vlun, block, blocks, sums }: CheckedExtent): string {
    return `${this.#names.get(vlun) ?? vlun}:${block}+${blocks}${sums === undefined ? ' hole' : ''}`;
  }
}
