/** What is measured: each case is one pattern of commands at one depth over a number of sessions. */

/** How the logical block addresses follow each other. */
export type Order = 'random' | 'sequential';

export interface Case {
  /** The pattern's name, `@` and the sessions when there are several. */
  readonly name: string;
  readonly title: string;
  readonly order: Order;
  readonly transferBytes: number;
  /** Commands that each session keeps outstanding. */
  readonly depth: number;
  /** Of every hundred commands, how many read; the others write. */
  readonly readPercent: number;
  /** Each write is followed by SYNCHRONIZE CACHE, and both together count as one. */
  readonly syncEach: boolean;
  readonly sessions: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

type Pattern = Omit<Case, 'sessions'>;

const pattern = (
  name: string,
  title: string,
  rest: Omit<Pattern, 'name' | 'title' | 'syncEach'> & { readonly syncEach?: boolean },
): Pattern => ({ name, title, syncEach: false, ...rest });

const random4k = { order: 'random', transferBytes: 4 * KIB } as const;
const sequential = { order: 'sequential', depth: 8 } as const;

const PATTERNS: readonly Pattern[] = [
  pattern('rr4k-q1', '4 KiB random read, depth 1', { ...random4k, depth: 1, readPercent: 100 }),
  pattern('rr4k-q32', '4 KiB random read, depth 32', { ...random4k, depth: 32, readPercent: 100 }),
  pattern('rw4k-q1', '4 KiB random write, depth 1', { ...random4k, depth: 1, readPercent: 0 }),
  pattern('rw4k-q32', '4 KiB random write, depth 32', { ...random4k, depth: 32, readPercent: 0 }),
  pattern('sr64k-q8', '64 KiB sequential read, depth 8', {
    ...sequential,
    transferBytes: 64 * KIB,
    readPercent: 100,
  }),
  pattern('sw64k-q8', '64 KiB sequential write, depth 8', {
    ...sequential,
    transferBytes: 64 * KIB,
    readPercent: 0,
  }),
  pattern('sr1m-q8', '1 MiB sequential read, depth 8', {
    ...sequential,
    transferBytes: MIB,
    readPercent: 100,
  }),
  pattern('sw1m-q8', '1 MiB sequential write, depth 8', {
    ...sequential,
    transferBytes: MIB,
    readPercent: 0,
  }),
  pattern('mix4k-q32', '4 KiB random, 70 % reads, depth 32', { ...random4k, depth: 32, readPercent: 70 }),
  pattern('sync4k-q1', '4 KiB random write and SYNCHRONIZE CACHE, depth 1', {
    ...random4k,
    depth: 1,
    readPercent: 0,
    syncEach: true,
  }),
];

/** Patterns that are also measured with several sessions. */
const SEVERAL = ['rr4k-q32', 'rw4k-q32', 'mix4k-q32', 'sync4k-q1'];
const SESSION_COUNTS = [4, 16] as const;

export const CASES: readonly Case[] = PATTERNS.flatMap((one) => [
  { ...one, sessions: 1 },
  ...(SEVERAL.includes(one.name) ? SESSION_COUNTS : []).map((sessions) => ({
    ...one,
    name: `${one.name}@${sessions}`,
    title: `${one.title}, ${sessions} sessions`,
    sessions,
  })),
]);

export const QUICK_CASES: readonly string[] = [
  'rr4k-q1',
  'rr4k-q32',
  'rw4k-q32',
  'sr64k-q8',
  'sw64k-q8',
  'sync4k-q1',
];

/** The sequential write that gives every block of the span contents before anything is measured. */
export const FILL: Case = {
  name: 'fill',
  title: 'filling',
  order: 'sequential',
  transferBytes: MIB,
  depth: 8,
  readPercent: 0,
  syncEach: false,
  sessions: 1,
};
