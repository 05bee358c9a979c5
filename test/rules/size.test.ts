/** Files, functions and lines stay small enough to be read in one go; there are no exemptions. */
import typescript from 'typescript';
import { describe, expect, test } from 'vitest';
import { parse, type Source, typescriptSources } from './sources.ts';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;
const LINE_CHARACTERS_MAX = 110;

const lineCount = (text: string): number => text.trimEnd().split('\n').length;

/** A message or a test's name stays in one piece, so that it can be searched for. */
const withoutQuotes = (line: string): string =>
  line.length > LINE_CHARACTERS_MAX ? line.replace(/(['"`])(?:\\.|(?!\1).)*\1/g, '') : line;

const isCallOf = (node: typescript.Node, names: RegExp): boolean =>
  typescript.isCallExpression(node) && names.test(node.expression.getText());

/** What only registers tests is a list of them, and is not read as one function. */
function isSuite(node: typescript.FunctionLikeDeclaration): boolean {
  const { body } = node;
  if (isCallOf(node.parent, /^describe\b/)) return true;
  if (body === undefined || !typescript.isBlock(body)) return false;
  return body.statements.some(
    (statement) =>
      typescript.isExpressionStatement(statement) && isCallOf(statement.expression, /^(describe|test)\b/),
  );
}

function isMeasured(node: typescript.Node): boolean {
  const isFunction =
    typescript.isArrowFunction(node) ||
    typescript.isFunctionExpression(node) ||
    typescript.isFunctionDeclaration(node) ||
    typescript.isMethodDeclaration(node) ||
    typescript.isConstructorDeclaration(node) ||
    typescript.isAccessor(node);
  return isFunction && !isSuite(node);
}

function longFunctions(source: Source): string[] {
  const file = parse(source);
  const long: string[] = [];
  const visit = (node: typescript.Node): void => {
    if (isMeasured(node)) {
      const first = file.getLineAndCharacterOfPosition(node.getStart()).line;
      const last = file.getLineAndCharacterOfPosition(node.getEnd()).line;
      const lines = last - first + 1;
      if (lines > FUNCTION_LINES_MAX) long.push(`${source.path}:${first + 1}: ${lines} lines`);
    }
    typescript.forEachChild(node, visit);
  };
  visit(file);
  return long;
}

describe('Size of the sources', () => {
  test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
    const long = typescriptSources.filter(({ text }) => lineCount(text) > FILE_LINES_MAX);
    expect(long.map(({ path, text }) => `${path}: ${lineCount(text)} lines`)).toEqual([]);
  });

  test(`no function is longer than ${FUNCTION_LINES_MAX} lines`, () => {
    expect(typescriptSources.flatMap(longFunctions)).toEqual([]);
  });

  test('the measure sees a function that is one line too long, and none that is just short enough', () => {
    const body = (lines: number): Source => {
      return { path: 'sample.ts', text: `const f = () => {\n${'  g();\n'.repeat(lines - 2)}};\n` };
    };
    expect(longFunctions(body(FUNCTION_LINES_MAX))).toEqual([]);
    expect(longFunctions(body(FUNCTION_LINES_MAX + 1))).toEqual(['sample.ts:1: 61 lines']);
  });

  test(`no line is longer than ${LINE_CHARACTERS_MAX} characters, but for the text it quotes`, () => {
    const long = typescriptSources.flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          withoutQuotes(line).length > LINE_CHARACTERS_MAX ? [`${path}:${index + 1}`] : [],
        ),
    );
    expect(long).toEqual([]);
  });
});
