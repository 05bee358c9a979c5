/**
 * Shows that the simulation can fail: the engine is broken on purpose in one place after another, and each
 * time some seed has to notice. Not part of the test run, for it takes minutes:
 *
 *   npm run simulate:mutants [-- --seeds 150] [--only 3]
 *
 * Prints for every mutant the first seed that found it and how; ends with 1 when one got away.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

interface Mutant {
  readonly what: string;
  readonly file: string;
  /** Text of the source, types left out. */
  readonly find: string;
  readonly put: string;
}

const MUTANTS: readonly Mutant[] = [
  {
    what: 'P5: a whole-block write leaves the entries of trackers',
    file: 'snapshot/apply.ts',
    find: 'if (whole)',
    put: 'if (false)',
  },
  {
    what: 'P11: a partial write does not reach trackers that read something else',
    file: 'snapshot/merge.ts',
    find: 'if (place !== above.place ||',
    put: 'if (false &&',
  },
  {
    what: 'P11 and P13: a partial write reaches only trackers with a live entry',
    file: 'snapshot/merge.ts',
    find: 'if (place !== above.place ||',
    put: 'if (',
  },
  {
    what: 'P13: a snapshot of a tracker does not freeze what it tracks',
    file: 'snapshot/layers.ts',
    find: 'const above = vlun.tracks === undefined ? undefined : freezeUpwards(draft, vlun.tracks, frozen);',
    put: 'const above = undefined;',
  },
  {
    what: 'P8: changes lock as readers do',
    file: 'snapshot/vlun-device.ts',
    find: 'this.#acquire(ranges, true)',
    put: 'this.#acquire(ranges, false)',
  },
  {
    what: 'a record is appended before its data is written',
    file: 'snapshot/committer.ts',
    find: 'if (!(stored instanceof Promise))',
    put: 'if (true)',
  },
  {
    what: 'a flush leaves the data out',
    file: 'snapshot/flusher.ts',
    find: 'Promise.all([data.flush(), journal.flush()])',
    put: 'Promise.all([journal.flush()])',
  },
  {
    what: 'a flush leaves the journal out',
    file: 'snapshot/flusher.ts',
    find: 'Promise.all([data.flush(), journal.flush()])',
    put: 'Promise.all([data.flush()])',
  },
  {
    what: 'FUA does not flush',
    file: 'snapshot/aligned-write.ts',
    find: 'if (!this.#options.durable) {',
    put: 'if (true) {',
  },
  {
    what: 'a structural verb returns before it is durable',
    file: 'snapshot/structure-writer.ts',
    find: 'await this.#options.flusher.flush();',
    put: '',
  },
  {
    what: 'a flush that succeeds after one that failed counts',
    file: 'snapshot/flusher.ts',
    find: 'this.#refusal ??= refusal;',
    put: '',
  },
  {
    what: 'freed places do not wait for a mark',
    file: 'snapshot/free.ts',
    find: 'this.#closed[0].sequence <= sequence',
    put: 'true',
  },
  {
    what: 'freed places do not wait for readers',
    file: 'snapshot/free.ts',
    find: 'this.#options.epochs.whenQuiet(() => this.#settle(batch));',
    put: 'this.#settle(batch);',
  },
  {
    what: 'a trim of free places does not wait for its discard',
    file: 'snapshot/free.ts',
    find: 'await this.#discard(place, blocks);',
    put: 'void this.#discard(place, blocks);',
  },
  {
    what: 'recovery believes records whose data is not there',
    file: 'snapshot/recover.ts',
    find: 'if (!durable && ',
    put: 'if (false && ',
  },
  {
    what: 'recovery gives back places that are in use again',
    file: 'snapshot/free.ts',
    find: 'if (!(await this.#options.allocator.isReferenced(place)))',
    put: '',
  },
  {
    what: 'a checkpoint does not wait for the flush of what it covers',
    file: 'snapshot/checkpointer.ts',
    find: 'await flusher.flush();',
    put: '',
  },
  {
    what: 'a checkpoint sees what changed after it began',
    file: 'snapshot/copy-on-change.ts',
    find: 'frozen.copies.set(item, this.#options.copy(item));',
    put: '',
  },
  {
    what: 'a cached page of merged images is not told of changes',
    file: 'snapshot/resolve.ts',
    find: 'if (view.resolved.size === 0)',
    put: 'if (true)',
  },
  {
    what: 'the counters of an image count wrongly',
    file: 'snapshot/table-store.ts',
    find: 'table.stats.data += data;',
    put: 'table.stats.data += 1;',
  },
  {
    what: 'COMPARE AND WRITE does not compare',
    file: 'snapshot/vlun-device.ts',
    find: 'if (different >= 0)',
    put: 'if (false)',
  },
  {
    what: 'COMPARE AND WRITE may be cut into several records',
    file: 'snapshot/vlun-device.ts',
    find: 'await this.#submit(await this.#pieces(span, replacement), true);',
    put: 'await this.#submit(await this.#pieces(span, replacement), false);',
  },
  {
    what: 'WRITE ATOMIC of whole pool blocks may be cut into several records',
    file: 'snapshot/aligned-write.ts',
    find: 'this.atomic = options.atomic;',
    put: 'this.atomic = false;',
  },
  {
    what: 'a free ignores the counts of shared places',
    file: 'snapshot/apply.ts',
    find: 'if (!this.#references.isEmpty && !this.#references.release(place)) return;',
    put: '',
  },
  {
    what: 'a copy by reference is not counted',
    file: 'snapshot/apply.ts',
    find: "if (kind === 'share') this.#references.share(place, blocks);",
    put: '',
  },
  {
    what: 'a copy takes what was deleted meanwhile',
    file: 'snapshot/committer.ts',
    find: 'item.shares?.from.gone === true',
    put: 'false',
  },
  {
    what: 'a copy between families does not hold its source',
    file: 'snapshot/vlun-device.ts',
    find: 'holding(lock, span, run)',
    put: 'run()',
  },
  {
    what: 'P5: a copy by reference leaves the entries of trackers',
    file: 'snapshot/apply.ts',
    find: 'this.#free(this.#tables.remove(live, run.block + i));',
    put: '',
  },
  {
    what: 'a copy overwrites what it has still to take',
    file: 'snapshot/vlun-device.ts',
    find: 'within && span.offsetBytes < to.offsetBytes',
    put: 'false && span.offsetBytes < to.offsetBytes',
  },
  {
    what: 'a checkpoint leaves the counts of shared places out',
    file: 'snapshot/reference-counts.ts',
    find: 'this.#pageChanges.changing(page);\n    page.beyond',
    put: 'page.beyond',
  },
];

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '150' }, only: { type: 'string' } },
});

const NODE_OPTIONS = [
  '--import',
  './test/support/run-typescript.mjs',
  '--import',
  './test/simulation/mutate.mjs',
];

/** The first failure that the simulation reports; undefined when the mutant got away. */
function caught(mutant: Mutant): string | undefined {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...NODE_OPTIONS, 'test/simulation/main.ts', '--seeds', values.seeds, '--first-failure'],
    { env: { ...process.env, MUTANT: JSON.stringify(mutant) }, encoding: 'utf8' },
  );
  const lines = `${stdout}${stderr}`.split('\n');
  return lines.find((line) => /^the mutant does not fit|^seed \d+ failed|Error/.test(line))?.slice(0, 160);
}

let missed = 0;
for (const [number, mutant] of MUTANTS.entries()) {
  if (values.only !== undefined && Number(values.only) !== number + 1) continue;
  const how = caught(mutant);
  const good = how?.startsWith('seed ') === true;
  if (!good) missed += 1;
  process.stdout.write(`${number + 1}. ${mutant.what}\n   ${good ? '' : 'NOT CAUGHT '}${how ?? ''}\n`);
}
process.stdout.write(`${MUTANTS.length} mutants, ${missed} not caught\n`);
if (missed > 0) process.exitCode = 1;
