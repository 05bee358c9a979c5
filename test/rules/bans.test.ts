/**
 * What must not be written, and what to write instead. Each ban is first shown to catch an example of itself.
 */
import { describe, expect, test } from 'vitest';
import { isProduct, isTest, occurrences, pages, type Source, typescriptSources } from './sources.ts';

interface Ban {
  readonly what: string;
  readonly pattern: RegExp;
  readonly example: string;
  readonly instead: string;
  readonly where: readonly Source[];
}

const everywhere = typescriptSources.filter(({ path }) => path !== 'test/rules/bans.test.ts');
const product = everywhere.filter(({ path }) => isProduct(path));
const tests = everywhere.filter(({ path }) => isTest(path));
/** src/ owns clocks, randomness and the event loop; a medium may wait for its own files. */
const pure = product.filter(({ path }) => !/^(src|snapshot\/medium)\//.test(path));

const BANS: readonly Ban[] = [
  {
    what: 'clocks, timers and chance outside src/',
    pattern:
      /\b(Date\.now|new Date|performance\.now|set(Timeout|Interval|Immediate)|queueMicrotask|Math\.random)\(/,
    example: 'const started = Date.now();',
    instead: 'take nowMs or a seeded Random as an argument',
    where: pure,
  },
  {
    what: 'types given up',
    pattern: /\bas any\b(?! \w)|@ts-(ignore|expect-error|nocheck)|v8 ignore|istanbul ignore/,
    example: 'const value = input as any;',
    instead: 'name the type, test the branch',
    where: everywhere,
  },
  {
    what: 'errors without a class',
    pattern: /\b(new Error|throw Error)\(/,
    example: "throw new Error('no such LUN');",
    instead: 'one of our error classes, or assert()',
    where: product,
  },
  {
    what: 'the standard that RFC 7143 replaced',
    pattern: /RFC 3720/,
    example: '// RFC 3720 section 10',
    instead: 'RFC 7143; its section numbers differ',
    where: [...everywhere, ...pages],
  },
  {
    what: 'tests left out or alone',
    pattern: /\b(test|it|describe)\.(only|skip|todo|fails)\b/,
    example: "test.skip('later', () => {});",
    instead: 'a test that runs, or none',
    where: tests,
  },
  {
    what: 'work left for later',
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    example: '// TODO: handle this',
    instead: 'the thing itself, or an issue',
    where: everywhere,
  },
  {
    what: 'the console',
    pattern: /\bconsole\./,
    example: 'console.log(state);',
    instead: "the log in src/, process.stdout in a test's program",
    where: everywhere,
  },
  {
    what: 'default exports',
    pattern: /^export default\b/,
    example: 'export default class Pool {}',
    instead: 'a named export',
    where: everywhere.filter(({ path }) => !/(\.config\.ts|^\.dependency-cruiser\.mjs)$/.test(path)),
  },
];

describe('What the sources do not contain', () => {
  test.each(BANS)('$what: $instead', ({ pattern, example, where }) => {
    expect(example).toMatch(pattern);
    expect(occurrences(pattern, where)).toEqual([]);
  });
});
