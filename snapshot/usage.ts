/**
 * Space of VLUNs and snapshots: what each refers to, and what of that nobody else does. It is found out when
 * somebody asks, so that a pool nobody asks pays nothing, and what was found is kept: in a chain of snapshots
 * the figures are brought up to date from the pages written to since (usage-chain.ts), elsewhere they are
 * counted anew (usage-tree.ts), as they are everywhere while blocks are shared by reference. Whoever asks
 * waits for a moment; where that is not enough the counting goes on, and the answer is what was known last,
 * with its time.
 */
import assert from 'node:assert';
import type { Gate } from './gate.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import { Turns } from './page-walk.ts';
import type { PoolParts } from './parts.ts';
import type { Usage } from './pool-types.ts';
import { ChainCounts, type Figures } from './usage-chain.ts';
import { type Family, familiesOf, snapshotKey, vlunKey } from './usage-families.ts';
import { countTree, type TreeFigures } from './usage-tree.ts';
import { SnapshotView, type View, VlunNode } from './views.ts';

/** How long whoever asks waits for figures of now. */
const WAIT_MS = 250;
/** Between two pieces of counting, which take about two. */
const PAUSE_MS = 5;

interface Known extends Figures {
  readonly atMs: number;
}

export class UsageAccount {
  readonly #parts: PoolParts;
  readonly #gate: Gate;
  readonly #chains: ChainCounts;
  readonly #trees = new Map<string, TreeFigures>();
  #families = new Map<string, Family>();
  /** The version of the catalogue that `#families` was found for. */
  #version = -1;
  #chainsTold = false;
  readonly #known = new Map<string, Known>();
  /** Countings under way, by the signature of the family. */
  readonly #counting = new Map<string, Promise<boolean>>();

  constructor(from: { readonly parts: PoolParts; readonly gate: Gate }) {
    this.#parts = from.parts;
    this.#gate = from.gate;
    this.#chains = new ChainCounts(from.parts);
  }

  /** What was counted last, whenever that was. */
  known(view: View): Usage {
    const known = this.#known.get(keyOf(view));
    return known === undefined ? this.#estimate(view) : { ...inBytes(known), atMs: known.atMs };
  }

  async of(view: View): Promise<Usage> {
    const key = keyOf(view);
    const current = await this.#inTime(this.#bring(key));
    const known = this.#known.get(key);
    return current && known !== undefined ? inBytes(known) : this.known(view);
  }

  /** Brings the family of this one up to date. Whether its figures are those of now; never rejects. */
  #bring(key: string): Promise<boolean> {
    const family = this.#gate.closed === undefined ? this.#familyOf(key) : undefined;
    if (family === undefined) return Promise.resolve(false);
    const { signature } = family;
    const underWay = this.#counting.get(signature);
    if (underWay !== undefined) return underWay;
    const counting = this.#count(family)
      .catch((cause: unknown) => {
        if (this.#gate.closed === undefined) this.#failed(cause);
        return false;
      })
      .finally(() => this.#counting.delete(signature));
    this.#counting.set(signature, counting);
    return counting;
  }

  async #count(family: Family): Promise<boolean> {
    const { environment } = this.#parts;
    const pause = async (): Promise<void> => {
      await new Promise<void>((resolve) => environment.after(PAUSE_MS, resolve));
      this.#gate.check();
    };
    const begunMs = environment.nowMs();
    const turns = new Turns(pause);
    const { current, figures } = await this.#figures(family, turns);
    const atMs = current ? environment.nowMs() : begunMs;
    for (const [key, found] of figures) this.#known.set(key, { ...found, atMs });
    const [reader] = family.readers;
    return current && reader !== undefined && this.#familyOf(reader.key)?.signature === family.signature;
  }

  async #figures(
    family: Family,
    turns: Turns,
  ): Promise<{ readonly current: boolean; readonly figures: ReadonlyMap<string, Figures> }> {
    const { chain, signature } = family;
    if (chain !== undefined) {
      const current = await this.#chains.bring(chain, turns);
      return { current, figures: this.#chains.figures(chain) };
    }
    let counted = this.#trees.get(signature);
    if (counted?.isCurrent() !== true) {
      counted?.end();
      counted = await countTree(this.#parts, family, turns);
      this.#trees.set(signature, counted);
    }
    return { current: counted.isCurrent(), figures: counted.figures };
  }

  #familyOf(key: string): Family | undefined {
    const { catalogue, references } = this.#parts;
    const chains = references.isEmpty;
    if (this.#version === catalogue.version && this.#chainsTold === chains) return this.#families.get(key);
    this.#version = catalogue.version;
    this.#chainsTold = chains;
    this.#families = familiesOf(catalogue, { chains });
    const families = new Set(this.#families.values());
    const chained = new Set(
      [...families].flatMap(({ chain, images }) => (chain === undefined ? [] : images)),
    );
    this.#chains.forget((image) => chained.has(image));
    const signatures = new Set([...families].map(({ signature }) => signature));
    for (const [signature, counted] of this.#trees) {
      if (signatures.has(signature)) continue;
      counted.end();
      this.#trees.delete(signature);
    }
    for (const known of this.#known.keys()) if (!this.#families.has(known)) this.#known.delete(known);
    return this.#families.get(key);
  }

  #inTime(counting: Promise<boolean>): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#parts.environment.after(WAIT_MS, () => resolve(false));
      void counting.then((current) => {
        cancel();
        resolve(current);
      });
    });
  }

  /** Before it was ever counted: at most what is stored in what it reads. */
  #estimate(view: View): Usage {
    let data = 0;
    for (const image of view.layers.images) data += this.#parts.tables.imageStats(image).data;
    const referenced = Math.min(data, Math.ceil(view.sizeBytes / POOL_BLOCK_BYTES));
    return { ...inBytes({ referenced, exclusive: 0 }), ...(referenced > 0 && { atMs: null }) };
  }

  #failed(cause: unknown): void {
    this.#parts.environment.onFact({ type: 'background-failed', what: 'counting space', cause });
  }
}

function keyOf(view: View): string {
  if (view instanceof VlunNode) return vlunKey(view.id);
  assert(view instanceof SnapshotView, 'what is read is a VLUN or a snapshot');
  return snapshotKey(view.snapshot.id);
}

function inBytes({ referenced, exclusive }: Figures): Usage {
  return {
    usedBytes: referenced * POOL_BLOCK_BYTES,
    exclusiveBytes: exclusive * POOL_BLOCK_BYTES,
    sharedBytes: (referenced - exclusive) * POOL_BLOCK_BYTES,
  };
}
