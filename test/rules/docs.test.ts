/**
 * What the pages tell an operator to type exists: every `snaplun` command in them goes through the real
 * command line as far as its checks, and every link to a file of the repository leads to one.
 */
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandLine } from '../../src/cli/program.ts';
import { pages, trackedPaths } from './sources.ts';

interface Typed {
  readonly page: string;
  readonly line: number;
  readonly command: string;
  /** In running text, a command may be named without its arguments. */
  readonly inText: boolean;
}

/** Stands where a command would begin to do something. */
class WouldRun extends Error {
  override readonly name = 'WouldRun';
}

/** What a shell would pass on: without prompt, comment, redirections, and the commands around it. */
function snaplunCommands(text: string): string[] {
  return text
    .replace(/(^|\s)#.*$/, '')
    .split(/\||;|&&/)
    .map((part) => part.replace(/[<>].*$/, '').trim())
    .map((part) => part.replace(/^\$ /, '').replace(/^sudo /, ''))
    .filter((part) => part.startsWith('snaplun '));
}

function typedIn({ path: page, text }: { readonly path: string; readonly text: string }): Typed[] {
  let fenced = false;
  return text.split('\n').flatMap((content, index): Typed[] => {
    const where = { page, line: index + 1 };
    if (content.startsWith('```')) {
      fenced = !fenced;
      return [];
    }
    if (fenced || content.startsWith('    ')) {
      return snaplunCommands(content).map((command) => ({ ...where, command, inText: false }));
    }
    return [...content.matchAll(/`([^`]+)`/g)]
      .flatMap(([, code = '']) => snaplunCommands(code))
      .map((command) => ({ ...where, command, inText: true }));
  });
}

/** What the command line has against these words; undefined: nothing. */
async function complaint({ command, inText }: Typed): Promise<string | undefined> {
  const words = command.split(/\s+/).slice(1);
  const line = commandLine(words).middleware(() => {
    throw new WouldRun();
  });
  try {
    await line.parseAsync();
  } catch (error) {
    if (error instanceof WouldRun) return undefined;
    const { message } = error as Error;
    const named = inText && /^(Not enough|Missing required|which )/.test(message);
    return named ? undefined : message;
  }
  return /--(help|version)/.test(command) ? undefined : 'it asks for nothing';
}

const manuals = pages.filter(({ path }) => /^(README\.md|docs\/[^/]+\.md)$/.test(path));
const typed = manuals.flatMap(typedIn);

describe('What the pages say is there', () => {
  test('every command exists, with its options', async () => {
    expect(typed.length).toBeGreaterThan(60);
    const wrong: string[] = [];
    for (const one of typed) {
      const why = await complaint(one);
      if (why !== undefined) wrong.push(`${one.page}:${one.line}: ${one.command}: ${why}`);
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    'snaplun lun creat db --size 1G',
    'snaplun lun create db --sise 1G',
    'snaplun lun create db --size 1G --lun 256',
    'snaplun snapshot create db',
    'snaplun',
  ])('a command that is wrong is noticed: %s', async (command) => {
    expect(await complaint({ page: 'sample.md', line: 1, command, inText: false })).toBeDefined();
  });

  test('every link to a file leads to one', () => {
    const links = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => ({
        path,
        link,
        leads: normalize(join(dirname(path), link)),
      })),
    );
    expect(links.length).toBeGreaterThan(20);
    const there = ({ leads }: { readonly leads: string }): boolean =>
      trackedPaths.some((one) => one === leads || one.startsWith(`${leads}/`));
    expect(links.filter((link) => !there(link))).toEqual([]);
  });
});
