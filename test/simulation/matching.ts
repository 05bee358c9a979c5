/** Which command in flight a record of the journal may belong to: the one whose result it describes. */
import type { CheckedExtent } from '../../snapshot/check-journal.ts';
import type { Command } from './command.ts';
import { bytesOfStamps } from './content.ts';
import type { Before, Model } from './model.ts';
import {
  COVERED,
  copiedPortions,
  equal,
  type Piece,
  type Portion,
  piecesIn,
  portionOf,
  SECTORS_PER_POOL_BLOCK,
} from './pieces.ts';

export interface WriteRecord {
  readonly sequence: number;
  readonly extents: readonly CheckedExtent[];
}

/** What a record is if a command meant it. */
export interface Fit {
  readonly portions: readonly Portion[];
  /** Pool blocks of the command's VLUN at which an extent begins. */
  readonly blocks: readonly number[];
  /** It covers sectors for which the command had no record. */
  readonly news: boolean;
  /** What a copy may take, from its first sector on. */
  readonly sources: readonly Uint32Array[];
  /** A last block is as the model has it past the end of the VLUN too, where nobody reads. */
  readonly exact: boolean;
}

/** What a copy may take, from the first sector on; empty when the source is gone, and for others. */
export function sourcesOf(model: Model, command: Command): readonly Uint32Array[] {
  const { sources, maybeSources = [], copied, pieces } = command;
  if (sources !== undefined || copied === undefined) return sources ?? [];
  const now = model.sourceOf(copied);
  if (now === undefined) return maybeSources;
  const { firstSector } = copied;
  return [now.slice(firstSector, firstSector + (pieces[0] as Piece).stamps.length), ...maybeSources];
}

/**
 * Commands on one family of VLUNs keep their order, but a copy from another may have to wait for what is
 * running there.
 */
export function mayWait(model: Model, { vlun, copied }: Command): boolean {
  if (copied === undefined || copied.snapshot !== undefined) return false;
  return !model.vluns.has(copied.vlun) || model.topOf(copied.vlun) !== model.topOf(vlun as string);
}

export class Matcher {
  readonly #checksum: (bytes: Uint8Array) => number;
  readonly #names: ReadonlyMap<number, string>;

  /** `names` tells which VLUN a number in a record means. */
  constructor(checksum: (bytes: Uint8Array) => number, names: ReadonlyMap<number, string>) {
    this.#checksum = checksum;
    this.#names = names;
  }

  /** How the record, being next, can be one of this command; else why not. The model stays as it is. */
  fit(model: Model, command: Command, extents: readonly CheckedExtent[]): Fit | string {
    const { pieces } = command;
    if (command.copied !== undefined) return this.#fitCopy(model, command, extents);
    const all = this.#fitPieces(model, { command, pieces }, extents);
    if (typeof all !== 'string' || pieces.length === 1) return all;
    // Two ranges of one UNMAP may share a pool block and be merged into it one after the other.
    for (const one of pieces) {
      const alone = this.#fitPieces(model, { command, pieces: [one] }, extents);
      if (typeof alone !== 'string') return alone;
    }
    return all;
  }

  /** The record fits with one of the sources at least; all with which it does are still possible. */
  #fitCopy(model: Model, command: Command, extents: readonly CheckedExtent[]): Fit | string {
    const { pieces } = command;
    let complaint = 'its source is gone';
    let first: Fit | undefined;
    const sources: Uint32Array[] = [];
    for (const source of sourcesOf(model, command)) {
      const fit = this.#fitPieces(model, { command, pieces, source }, extents);
      if (typeof fit === 'string') {
        complaint = fit;
        continue;
      }
      first ??= fit;
      sources.push(source);
    }
    return first === undefined ? complaint : { ...first, sources };
  }

  /** Where these extents are not what the model has. */
  difference(model: Model, extents: readonly CheckedExtent[]): string | undefined {
    const found = this.#compare(model, extents);
    return typeof found === 'string' ? found : undefined;
  }

  describe({ vlun, block, blocks, sums }: CheckedExtent): string {
    return `${this.#names.get(vlun) ?? vlun}:${block}+${blocks}${sums === undefined ? ' hole' : ''}`;
  }

  #fitPieces(
    model: Model,
    asked: {
      readonly command: Command;
      readonly pieces: readonly Piece[];
      readonly source?: Uint32Array;
    },
    extents: readonly CheckedExtent[],
  ): Fit | string {
    const { command, pieces, source } = asked;
    const vlun = command.vlun as string;
    const own = extents.filter((extent) => this.#names.get(extent.vlun) === vlun);
    const met = own.flatMap((extent) => pieces.flatMap((one) => portionOf(one, extent)));
    if (met.length === 0) return 'it changes other sectors';
    // What is read of a source may be stored after that was deleted; its places are shared no more.
    const shares = command.copied !== undefined && own.some(({ kind }) => kind === 'share');
    if (shares && model.sourceOf(command.copied) === undefined) return 'its source is gone';
    const portions = source === undefined ? met : copiedPortions(met, source);
    const extent = misfit(own, portions, model.vlun(vlun).sectors);
    if (extent !== undefined) return extent;
    const news = portions.some(({ of, from, stamps }) =>
      of.covered.subarray(from, from + stamps.length).some((flag) => flag !== COVERED),
    );
    // Ranges of one UNMAP that share a pool block write the same zeroes again, once for each of them.
    if (!news && !own.every(({ block }) => owesMore(command, block))) return 'it has its records already';
    const complaint = command.atomic === true ? compared(model, command, portions) : undefined;
    if (complaint !== undefined) return complaint;
    const befores = store(model, vlun, portions);
    const sums = this.#compare(model, extents);
    model.undo(befores.toReversed());
    if (typeof sums === 'string') return sums;
    return { portions, blocks: own.map(({ block }) => block), news, sources: [], ...sums };
  }

  /** The first block whose sum is not that of the model; else whether the others, too, are right. */
  #compare(model: Model, extents: readonly CheckedExtent[]): string | Pick<Fit, 'exact'> {
    let exact = true;
    for (const extent of extents) {
      const name = this.#names.get(extent.vlun);
      const vlun = name === undefined ? undefined : model.vluns.get(name);
      if (vlun === undefined) return `VLUN ${extent.vlun} is not known`;
      for (let i = 0; i < extent.blocks; i += 1) {
        const first = (extent.block + i) * SECTORS_PER_POOL_BLOCK;
        const expected = vlun.stamps.subarray(first, first + SECTORS_PER_POOL_BLOCK);
        const right =
          extent.sums === undefined
            ? expected.every((stamp) => stamp === 0)
            : extent.sums[i] === this.#checksum(bytesOfStamps(expected));
        // What lies past the end of the VLUN in its last pool block is nobody's business.
        const inside = first + SECTORS_PER_POOL_BLOCK <= vlun.sectors;
        if (!right && inside) return `block ${extent.block + i} of ${name} is something else`;
        exact &&= right;
      }
    }
    return { exact };
  }
}

/** Writes the portions; what was there before. */
export function store(model: Model, vlun: string, portions: readonly Portion[]): Before[] {
  return portions.flatMap(({ firstSector, stamps }) => model.write(vlun, firstSector, stamps));
}

/**
 * To a tracker, whole blocks are more than the same sectors in parts (P11): an extent of whole blocks needs
 * a command that changes all of them, and one that was merged, a command that changes a part.
 */
function misfit(
  own: readonly CheckedExtent[],
  portions: readonly Portion[],
  sectors: number,
): string | undefined {
  for (const { kind, block, blocks } of own) {
    const first = block * SECTORS_PER_POOL_BLOCK;
    const changed = new Uint8Array(blocks * SECTORS_PER_POOL_BLOCK);
    for (const { firstSector, stamps } of portions) {
      changed.fill(1, Math.max(0, firstSector - first), Math.max(0, firstSector + stamps.length - first));
    }
    if (kind === 'patch') {
      if (!changed.includes(0)) return 'it changes the whole of a merged block';
    } else if (changed.subarray(0, Math.max(0, sectors - first)).includes(0)) {
      return 'whole blocks are more than it changes';
    }
  }
  return undefined;
}

/** It has had fewer records of the block than it has pieces in it, those left out that may be another's. */
function owesMore({ pieces, recordsOf }: Command, block: number): boolean {
  return (recordsOf.get(block) ?? 0) < piecesIn(pieces, block);
}

/** An atomic command is one record; COMPARE AND WRITE stores only over what it wanted to find. */
function compared(model: Model, command: Command, portions: readonly Portion[]): string | undefined {
  const only = command.pieces[0] as Piece;
  const stored = portions.reduce((sum, { stamps }) => sum + stamps.length, 0);
  if (stored !== only.stamps.length) return 'an atomic command is one record';
  const { expected } = command;
  if (expected === undefined) return undefined;
  const { stamps } = model.vlun(command.vlun as string);
  const found = stamps.subarray(only.firstSector, only.firstSector + expected.length);
  return equal(found, expected) ? undefined : 'COMPARE AND WRITE found something else than it wanted';
}
