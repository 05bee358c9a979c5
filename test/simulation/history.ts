/**
 * What should be on the pool, step by step. The simulation reads the journal as the pool appends it
 * (journal-tap.ts); each record is matched with a command in flight whose result it describes, block sum by
 * block sum, and moves the model on. So the model goes through the pool's own order of things, and can be
 * taken to any place of the journal: to where a read may have been, and to where a crash has cut.
 */
import assert from 'node:assert';
import type { CheckedExtent } from '../../snapshot/check-journal.ts';
import { type Command, type CopySource, torn } from './command.ts';
import { Disagreement } from './disagreement.ts';
import { type Fit, Matcher, mayWait, sourcesOf, store } from './matching.ts';
import { type Before, Model } from './model.ts';
import {
  COVERED,
  cover,
  equal,
  overlaps,
  PERHAPS,
  type Piece,
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
  /** The state at the last opening. */
  #base = new Model();
  /** The state after every record appended so far. */
  head = new Model();
  #steps: Step[] = [];
  #inFlight: Command[] = [];
  readonly #names = new Map<number, string>();
  readonly #matcher: Matcher;
  /** When a VLUN came to be, by name. */
  readonly #begunAt = new Map<string, number>();
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
    this.#matcher = new Matcher(checksum, this.#names);
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
      recordsOf: new Map(),
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
    const possible: Array<{ readonly command: Command; readonly fit: Fit }> = [];
    const complaints: string[] = [];
    for (const command of this.#inFlight) {
      if (command.vlun === undefined || !names.has(command.vlun)) continue;
      const fit = this.#matcher.fit(this.head, command, extents);
      if (typeof fit === 'string') complaints.push(`${command.what}: ${fit}`);
      else possible.push({ command, fit });
    }
    // In a last block many commands fit, those that did not make it only by what they leave past the end.
    const exact = possible.filter(({ fit }) => fit.exact);
    const fits = exact.length > 0 ? exact : possible;
    // A copy may wait for its source, and means what that holds when its first record comes: that had better
    // be its own.
    const chosen =
      fits.find(({ command, fit }) => fit.news && !mayWait(this.head, command)) ??
      fits.find(({ fit }) => fit.news) ??
      fits[0];
    if (chosen !== undefined) {
      this.#credit(chosen.command, sequence, { fit: chosen.fit, doubt: fits.length > 1 });
      for (const { fit } of fits) if (fit !== chosen.fit) cover(fit.portions, PERHAPS);
      if (fits.length > 1) for (const { command, fit } of fits) noteSources(command, fit);
      return;
    }
    const shown = extents.map((extent) => this.#matcher.describe(extent)).join(', ');
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
    const sources = this.#inFlight.map((copy) => [copy, sourcesOf(this.head, copy)] as const);
    const present = new Set(this.head.vluns.keys());
    const replaced = restructure(this.head);
    for (const name of this.head.vluns.keys()) if (!present.has(name)) this.#begunAt.set(name, this.#moment);
    const befores: readonly Before[] = Array.isArray(replaced) ? replaced : [];
    if (this.head.vluns.size + this.head.snapshots.size < units) this.deletions += 1;
    for (const [copy, held] of sources) {
      const gone = copy.copied !== undefined && this.head.sourceOf(copy.copied) === undefined;
      if (gone) copy.sources = held;
    }
    command.restructured = true;
    command.sequence = sequence;
    command.records += 1;
    this.#steps.push({ sequence, command, befores, apply: restructure });
  }

  /** A record that changes nothing anyone reads was appended. */
  passed(sequence: number): void {
    this.appended = sequence;
  }

  /** Blocks are stored anew, as they are. */
  moved(sequence: number, extent: CheckedExtent): void {
    const wrong = this.#matcher.difference(this.head, [extent]);
    if (wrong !== undefined) throw new Disagreement(`record ${sequence} moves blocks, and ${wrong}`);
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
      const flag = one.covered[from];
      if (flag === COVERED) continue;
      // What perhaps were records of a copy may have been so one by one, each of another moment.
      const apart = command.copied !== undefined && flag === PERHAPS;
      const end = apart ? endOfBlock(one, from) : one.stamps.length;
      let to = from + 1;
      while (to < end && one.covered[to] === flag) to += 1;
      this.#expectAlready(command, vlun, {
        firstSector: one.firstSector + from,
        stamps: one.stamps.subarray(from, to),
      });
      if (command.copied !== undefined && flag !== PERHAPS) {
        this.#expectNothing(command, command.copied, { from, to });
      }
      from = to - 1;
    }
  }

  /** Sectors that a copy made no record for: there was nothing in the source. */
  #expectNothing(command: Command, copied: CopySource, part: { from: number; to: number }): void {
    const { from, to } = part;
    const empty = (stamps: Uint32Array): boolean => stamps.every((stamp) => stamp === 0);
    if (sourcesOf(this.head, command).some((source) => empty(source.subarray(from, to)))) return;
    const region = { vlun: copied.vlun, firstSector: copied.firstSector + from, sectors: to - from };
    const waited = command.sources === undefined && copied.snapshot === undefined;
    if (waited && this.everSince(command, region, empty)) return;
    throw new Disagreement(
      `${command.what} left out sectors ${region.firstSector}+${region.sectors} of its source`,
    );
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
    for (const { name } of this.head.trackersOf(vlun)) {
      // One that came later is what the VLUN above was then, which may have been written again by that time.
      const later = (this.#begunAt.get(name) ?? 0) >= command.issuedAt;
      if (!later) this.#expectAlready(command, name, wanted);
    }
  }

  /** The record belongs to this command; in doubt when it might as well be another's. */
  #credit(command: Command, sequence: number, { fit, doubt }: { fit: Fit; doubt: boolean }): void {
    const vlun = command.vlun as string;
    const { portions, blocks, news, sources } = fit;
    const befores = store(this.head, vlun, portions);
    cover(portions, COVERED);
    if (!doubt) {
      if (command.copied !== undefined) command.sources = sources;
      for (const block of blocks) command.recordsOf.set(block, (command.recordsOf.get(block) ?? 0) + 1);
    }
    if (news || !doubt) command.sequence = sequence;
    command.records += 1;
    const apply = (model: Model): void => {
      store(model, vlun, portions);
    };
    this.#steps.push({ sequence, command, befores, apply });
  }
}

/** Where, in the piece, the pool block of this sector of it ends. */
function endOfBlock({ firstSector, stamps }: Piece, from: number): number {
  const into = (firstSector + from) % SECTORS_PER_POOL_BLOCK;
  return Math.min(stamps.length, from + SECTORS_PER_POOL_BLOCK - into);
}

function noteSources(command: Command, { sources }: Fit): void {
  if (command.copied === undefined || command.sources !== undefined) return;
  command.maybeSources = [...new Set([...(command.maybeSources ?? []), ...sources])];
}
