/**
 * Reads everything that is stored and compares it with its checksums, beside what the pool serves: first
 * every ordered value (pages of tables and of bitmaps, the catalogue), then every block of data that an entry
 * points at, image after image from the oldest on, so that what the background merges upwards meanwhile is
 * met later. What is written meanwhile may be left out. It repairs nothing and keeps nothing.
 *
 * It goes in steps of a few milliseconds. While commands come in, it pauses after each for many times as
 * long; that is its share. Data is read past the caches above the medium, where it can be. A step counts as a
 * running command, so that no place it looks at is used again under it; a block that fails is reported only
 * while its entry still stands.
 */
import { OperatorError, StoreError } from '../lun/errors.ts';
import { readersOfBlock, readersOfPage } from './damage.ts';
import { KEYS, tableOfKey } from './keys.ts';
import { type MetaKey, POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { PoolParts } from './parts.ts';
import {
  type ScrubError,
  ScrubFindings,
  type ScrubProgress,
  type ScrubReport,
  type ScrubState,
} from './scrub-report.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS } from './table-page.ts';

export interface ScrubberOptions {
  readonly parts: PoolParts;
  /** Changes whenever a command comes in. */
  readonly activity: () => number;
  /** Told of each error as it is found. */
  readonly onError: (error: ScrubError) => void;
}

/** May wait, and ends the scrub by failing. */
export type OnScrubProgress = (progress: ScrubProgress) => Promise<void> | void;

/**
 * What the parts of a step are reckoned to take of a processor, in milliseconds. Their time on the clock says
 * little: under load it is mostly that of the commands beside.
 */
const READ_COST_MS = 0.1;
const BLOCK_COST_MS = 0.003;
const VALUE_COST_MS = 0.003;
/** A step ends when it has cost this. */
const STEP_COST_MS = 2;
/** While commands come in, a pause takes so many times what the step has cost. */
const PAUSE_FACTOR = 15;
const PROGRESS_MS = 500;
const VALUES_PER_SCAN = 64;
const PAGES_PER_READ = 16;
/** One read of the medium: 256 KiB. */
const BLOCKS_PER_READ = 64;

interface Entry {
  readonly image: number;
  readonly block: number;
  readonly place: number;
  readonly sum: number;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  #state: ScrubState = 'never';
  #startedAtMs = 0;
  #checkedBlocks = 0;
  #totalBlocks = 0;
  #values = 0;
  #findings: ScrubFindings;
  #stopping = false;
  #seenActivity = 0;
  #stepCostMs = 0;
  #reportedAtMs = 0;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#findings = new ScrubFindings(options.onError);
  }

  get progress(): ScrubProgress {
    return {
      state: this.#state,
      startedAtMs: this.#startedAtMs,
      checkedBytes: this.#checkedBlocks * POOL_BLOCK_BYTES,
      totalBytes: this.#totalBlocks * POOL_BLOCK_BYTES,
      values: this.#values,
      errorCount: this.#findings.count,
    };
  }

  /** Ends a scrub that runs, at the end of its step. False: none does. */
  stop(): boolean {
    const running = this.#state === 'running';
    if (running) this.#stopping = true;
    return running;
  }

  /** OperatorError busy: one runs already. StoreError where the medium or the pool fails. */
  async run(onProgress: OnScrubProgress): Promise<ScrubReport> {
    if (this.#state === 'running') {
      throw new OperatorError('busy', 'A scrub runs already; `pool status` says how far it is.');
    }
    const { environment } = this.#options.parts;
    this.#begin();
    let ended: ScrubState = 'failed';
    try {
      await this.#scrubValues(onProgress);
      await this.#scrubImages(onProgress);
      ended = this.#stopping ? 'stopped' : 'done';
    } finally {
      this.#findings.close();
      this.#state = ended;
    }
    const { count, errors } = this.#findings;
    const durationMs = environment.nowMs() - this.#startedAtMs;
    return { ...this.progress, ok: ended === 'done' && count === 0, durationMs, errors };
  }

  #begin(): void {
    const { allocator, environment } = this.#options.parts;
    this.#findings = new ScrubFindings(this.#options.onError);
    this.#state = 'running';
    this.#stopping = false;
    this.#startedAtMs = environment.nowMs();
    this.#stepCostMs = 0;
    this.#reportedAtMs = 0;
    this.#checkedBlocks = 0;
    this.#values = 0;
    this.#totalBlocks = allocator.referencedBlocks;
    this.#seenActivity = this.#options.activity();
  }

  /** Every ordered value begins with the checksum of the rest of it (FORMAT.md). */
  async #scrubValues(onProgress: OnScrubProgress): Promise<void> {
    const { parts } = this.#options;
    let from: MetaKey = Uint8Array.of(0);
    const to = Uint8Array.of(0xff);
    while (!this.#stopping) {
      const found = await parts.medium.meta.scan({ from, to, limit: VALUES_PER_SCAN });
      this.#stepCostMs += found.length * VALUE_COST_MS;
      for (const { key, value } of found) {
        this.#values += 1;
        if (!this.#isSealed(value)) this.#badValue(key);
      }
      const last = found.at(-1);
      if (last === undefined || found.length < VALUES_PER_SCAN) return;
      from = Uint8Array.of(...last.key, 0);
      await this.#pace(onProgress);
    }
  }

  #isSealed(value: Uint8Array): boolean {
    if (value.byteLength < 5) return false;
    const sum = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(0, true);
    return sum === this.#options.parts.environment.checksum(value.subarray(4));
  }

  #badValue(key: MetaKey): void {
    if (key[0] === KEYS.table.from[0]) {
      const { page, image } = tableOfKey(key);
      const ranges = readersOfPage(this.#options.parts, image, page);
      this.#findings.value(`table page ${page} of image ${image}`, ranges);
      return;
    }
    this.#findings.value(`the stored value ${Buffer.from(key).toString('hex')}`);
  }

  async #scrubImages(onProgress: OnScrubProgress): Promise<void> {
    const { tables } = this.#options.parts;
    for (const image of tables.images()) {
      let from = 0;
      for (;;) {
        const pages = tables.pagesOf(image, from, PAGES_PER_READ);
        const last = pages.at(-1);
        if (last === undefined) break;
        from = last + 1;
        await this.#scrubPages(image, pages, onProgress);
        if (this.#stopping) return;
      }
    }
  }

  async #scrubPages(image: number, pages: readonly number[], onProgress: OnScrubProgress): Promise<void> {
    const { epochs } = this.#options.parts;
    for (let at = 0; at < pages.length && !this.#stopping; ) {
      const generation = epochs.enter();
      try {
        const entries: Entry[] = [];
        for (; at < pages.length && entries.length < BLOCKS_PER_READ; at += 1) {
          entries.push(...(await this.#entriesOf(image, pages[at] as number)));
        }
        await this.#compare(entries);
      } finally {
        epochs.leave(generation);
      }
      await this.#pace(onProgress);
    }
  }

  /** What is stored in a page. One that is damaged was reported with the values. */
  async #entriesOf(image: number, page: number): Promise<Entry[]> {
    try {
      const content = await this.#options.parts.tables.peek(image, page);
      const entries: Entry[] = [];
      for (let i = 0; content !== undefined && i < PAGE_BLOCKS; i += 1) {
        const place = content.places[i] as number;
        if (place < FIRST_DATA_PLACE) continue;
        entries.push({ image, block: page * PAGE_BLOCKS + i, place, sum: content.sums[i] as number });
      }
      return entries;
    } catch (cause) {
      if (cause instanceof StoreError && cause.code === 'CORRUPT') return [];
      throw cause;
    }
  }

  async #compare(entries: Entry[]): Promise<void> {
    entries.sort((a, b) => a.place - b.place);
    const bad: Entry[] = [];
    for (let at = 0; at < entries.length; ) {
      let end = at + 1;
      const first = (entries[at] as Entry).place;
      while (end < entries.length && end - at < BLOCKS_PER_READ && entries[end]?.place === first + end - at)
        end += 1;
      await this.#compareRun(entries.slice(at, end), bad);
      at = end;
    }
    bad.sort((a, b) => a.block - b.block);
    for (const entry of bad) await this.#report(entry);
  }

  async #compareRun(run: readonly Entry[], bad: Entry[]): Promise<void> {
    const { environment } = this.#options.parts;
    const bytes = new Uint8Array(run.length * POOL_BLOCK_BYTES);
    const read = await this.#read(run[0] as Entry, bytes);
    for (const [i, entry] of run.entries()) {
      const block = bytes.subarray(i * POOL_BLOCK_BYTES, (i + 1) * POOL_BLOCK_BYTES);
      // What cannot be read in one piece is read block by block, so that each bad one is known.
      const whole = read || (await this.#read(entry, block));
      if (!whole || environment.checksum(block) !== entry.sum) bad.push(entry);
    }
    this.#checkedBlocks += run.length;
  }

  /** False: the medium cannot read it. */
  async #read({ place }: Entry, into: Uint8Array): Promise<boolean> {
    const { data } = this.#options.parts.medium;
    this.#stepCostMs += READ_COST_MS + (into.byteLength / POOL_BLOCK_BYTES) * BLOCK_COST_MS;
    try {
      await (data.readStored === undefined ? data.read(place, into) : data.readStored(place, into));
      return true;
    } catch (cause) {
      if (cause instanceof StoreError && cause.code === 'IO') return false;
      throw cause;
    }
  }

  async #report(entry: Entry): Promise<void> {
    const [present] = (await this.#entriesOf(entry.image, Math.floor(entry.block / PAGE_BLOCKS))).filter(
      ({ block }) => block === entry.block,
    );
    if (present?.place !== entry.place) return;
    this.#findings.block(entry, await readersOfBlock(this.#options.parts, entry));
  }

  /** Between two looks: a pause when a step is over, and progress from time to time. */
  async #pace(onProgress: OnScrubProgress): Promise<void> {
    const { environment } = this.#options.parts;
    const nowMs = environment.nowMs();
    if (nowMs - this.#reportedAtMs >= PROGRESS_MS) {
      this.#reportedAtMs = nowMs;
      await onProgress(this.progress);
    }
    if (this.#stepCostMs < STEP_COST_MS) return;
    const activity = this.#options.activity();
    const pauseMs = activity === this.#seenActivity ? 0 : Math.ceil(this.#stepCostMs * PAUSE_FACTOR);
    this.#seenActivity = activity;
    this.#stepCostMs = 0;
    await new Promise<void>((resolve) => environment.after(pauseMs, resolve));
  }
}
