/** What a scrub says: how far it is, what it found, and who reads what is damaged. */

/** Blocks of a LUN or snapshot that read what is damaged. */
export interface DamagedRange {
  /** NAME, or NAME@SNAP. */
  readonly unit: string;
  readonly lba: number;
  readonly blocks: number;
}

/** Damage in one piece. */
export interface ScrubError {
  readonly what: string;
  readonly ranges: readonly DamagedRange[];
}

export type ScrubState = 'never' | 'running' | 'done' | 'stopped' | 'failed';

export interface ScrubProgress {
  readonly state: ScrubState;
  /** Milliseconds since 1970; of the last scrub since the pool was opened, 0 where there was none. */
  readonly startedAtMs: number;
  /** Data read and compared. */
  readonly checkedBytes: number;
  /** Data there was to compare when it began. */
  readonly totalBytes: number;
  /** Ordered values (pages of tables and the like) read and compared. */
  readonly values: number;
  readonly errorCount: number;
}

export interface ScrubReport extends ScrubProgress {
  readonly ok: boolean;
  readonly durationMs: number;
  /** At most 200 are listed. */
  readonly errors: readonly ScrubError[];
}

const ERRORS_MAX = 200;

interface OpenError {
  readonly image: number;
  readonly first: number;
  blocks: number;
  ranges: DamagedRange[];
}

/** Gathers what is found; blocks that follow each other, and are read by the same, are one error. */
export class ScrubFindings {
  readonly #errors: ScrubError[] = [];
  readonly #listed: (error: ScrubError) => void;
  #open: OpenError | undefined;
  count = 0;

  /** `listed` is told of each error once it is complete. */
  constructor(listed: (error: ScrubError) => void) {
    this.#listed = listed;
  }

  get errors(): readonly ScrubError[] {
    return this.#errors;
  }

  value(what: string, ranges: readonly DamagedRange[] = []): void {
    this.close();
    this.count += 1;
    this.#list({ what, ranges });
  }

  block(at: { readonly image: number; readonly block: number }, ranges: readonly DamagedRange[]): void {
    this.count += 1;
    const open = this.#open;
    if (open !== undefined && at.image === open.image && at.block === open.first + open.blocks) {
      const joined = join(open.ranges, ranges);
      if (joined !== undefined) {
        open.blocks += 1;
        open.ranges = joined;
        return;
      }
    }
    this.close();
    this.#open = { image: at.image, first: at.block, blocks: 1, ranges: [...ranges] };
  }

  /** No block follows the last one. */
  close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const { image, first, blocks, ranges } = open;
    const which = blocks === 1 ? `block ${first}` : `blocks ${first} to ${first + blocks - 1}`;
    this.#list({ what: `${which} of image ${image}`, ranges });
  }

  #list(error: ScrubError): void {
    if (this.#errors.length >= ERRORS_MAX) return;
    this.#errors.push(error);
    this.#listed(error);
  }
}

/** The ranges as one where each follows the other of its unit; undefined: they do not. */
function join(ranges: readonly DamagedRange[], next: readonly DamagedRange[]): DamagedRange[] | undefined {
  if (ranges.length !== next.length) return undefined;
  const joined: DamagedRange[] = [];
  for (const [i, range] of ranges.entries()) {
    const follows = next[i];
    if (follows?.unit !== range.unit || follows.lba !== range.lba + range.blocks) return undefined;
    joined.push({ ...range, blocks: range.blocks + follows.blocks });
  }
  return joined;
}
