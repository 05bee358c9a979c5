/**
 * The shape of a configuration file, checked node by node: a shape takes a YAML node and gives the value it
 * stands for, or a `ConfigFault` that names the key. Where a key stands in the file, `Places` knows, so that
 * what is found wrong later, against the pool, is told with its line too.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { OperatorError } from '../../lun/errors.ts';

/** Keys from the top of the file down to the value. */
export type Path = readonly (string | number)[];

/** Something in the file is wrong; its place in the file is looked up where the message is put together. */
export class ConfigFault extends Error {
  override readonly name = 'ConfigFault';
  readonly path: Path;

  constructor(path: Path, message: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** `luns.db.size`; a key that has a dot or a colon of its own stands in brackets. */
export function pathText(path: Path): string {
  return path
    .map((key, at) => {
      if (typeof key === 'number') return `[${key}]`;
      if (/^[\w@-]+$/.test(key)) return at === 0 ? key : `.${key}`;
      return `["${key}"]`;
    })
    .join('');
}

/** Where things stand in a file. */
export class Places {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #offsets = new Map<string, number>();

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  note(path: Path, offset: number): void {
    this.#offsets.set(JSON.stringify(path), offset);
  }

  /** The first path, in normal form, stands where the second does. */
  same(path: Path, as: Path): void {
    const offset = this.#offsets.get(JSON.stringify(as));
    if (offset !== undefined) this.note(path, offset);
  }

  /** One line for the operator: file, line, column, key and what is wrong. */
  error(path: Path, message: string, options?: ErrorOptions): OperatorError {
    const key = path.length === 0 ? '' : `${pathText(path)}: `;
    return new OperatorError('bad-config', `${this.#where(path)}: ${key}${message}`, options);
  }

  errorAt(offset: number, message: string): OperatorError {
    return new OperatorError('bad-config', `${this.#file}:${this.#position(offset)}: ${message}`);
  }

  /** The key itself, or the nearest one above it that stands in the file. */
  #where(path: Path): string {
    for (let depth = path.length; depth > 0; depth -= 1) {
      const offset = this.#offsets.get(JSON.stringify(path.slice(0, depth)));
      if (offset !== undefined) return `${this.#file}:${this.#position(offset)}`;
    }
    return `${this.#file}:1:1`;
  }

  #position(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${line}:${col}`;
  }
}

export interface At {
  readonly path: Path;
  readonly places: Places;
}

export type Shape<T> = (node: Node | null | undefined, at: At) => T;

/** Reads a text by a shape. OperatorError bad-config: file, line, column and key are in the message. */
export function readShaped<T>(text: string, file: string, shape: Shape<T>): { value: T; places: Places } {
  const lineCounter = new LineCounter();
  const places = new Places(file, lineCounter);
  const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw places.errorAt(problem.pos[0], problem.message.replaceAll('\n', ' '));
  try {
    return { value: shape(document.contents, { path: [], places }), places };
  } catch (error) {
    if (error instanceof ConfigFault) throw places.error(error.path, error.message, { cause: error });
    throw error;
  }
}

/** What stands there, in a few words. */
function described(node: Node | null | undefined): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  if (isScalar(node) && node.value !== null) return `"${String(node.value).slice(0, 60)}"`;
  return 'nothing';
}

function wrong(node: Node | null | undefined, { path }: At, want: string): ConfigFault {
  // An alias could stand for anything, its own surroundings included; a file of this size needs none.
  if (isAlias(node)) return new ConfigFault(path, 'aliases are not taken here; write it out');
  return new ConfigFault(path, `want ${want}, not ${described(node)}`);
}

/** As it is written: a name may look like a number. */
function wordOf(node: Node | null | undefined): string | undefined {
  if (!isScalar(node)) return undefined;
  const { value, source } = node;
  if (typeof value === 'number') return source ?? String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export const text: Shape<string> = (node, at) => {
  const word = wordOf(node);
  if (word === undefined) throw wrong(node, at, 'a text');
  return word;
};

/** true or false, or in the words of the command line, on or off. */
export const flag: Shape<boolean> = (node, at) => {
  const value = isScalar(node) ? node.value : undefined;
  if (value === true || value === 'on') return true;
  if (value === false || value === 'off') return false;
  throw wrong(node, at, 'true or false');
};

export function whole(from: number, to: number): Shape<number> {
  return (node, at) => {
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to) return value;
    throw wrong(node, at, `a whole number from ${from} to ${to}`);
  };
}

/** A value read from what stands there, word or number; an OperatorError of `parse` gets its place. */
export function parsed<T>(want: string, parse: (word: string) => T): Shape<T> {
  return (node, at) => {
    const word = wordOf(node);
    if (word === undefined) throw wrong(node, at, want);
    return placed(at.path, () => parse(word));
  };
}

/** What `run` refuses is refused at this place of the file. */
export function placed<T>(path: Path, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof OperatorError) throw new ConfigFault(path, error.message, { cause: error });
    throw error;
  }
}

export function listOf<T>(item: Shape<T>, want: string): Shape<readonly T[]> {
  return (node, at) => {
    if (!isSeq(node)) throw wrong(node, at, want);
    return node.items.map((one, index) => {
      const path = [...at.path, index];
      note(at.places, path, one as Node | null);
      return item(one as Node | null, { ...at, path });
    });
  };
}

/** A mapping whose keys are the operator's own. `key` gives the key in its normal form, or refuses it. */
export function mapOf<T>(key: (word: string) => string, item: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return (node, at) => {
    const entries = new Map<string, T>();
    for (const [word, value, path] of pairs(node, at)) {
      const normal = placed(path, () => key(word));
      if (entries.has(normal)) throw new ConfigFault(path, 'stands here twice');
      at.places.same([...at.path, normal], path);
      entries.set(normal, item(value, { ...at, path: [...at.path, normal] }));
    }
    return entries;
  };
}

/** A mapping with these keys alone; those that `required` names have to be there. */
export function record<S extends Readonly<Record<string, Shape<unknown>>>, R extends keyof S & string>(
  shapes: S,
  required: readonly R[],
): Shape<RecordOf<S, R>> {
  return (node, at) => {
    const values: Record<string, unknown> = {};
    for (const [word, value, path] of pairs(node, at)) {
      const shape = shapes[word];
      if (shape === undefined) {
        throw new ConfigFault(path, `there is no such key; want one of ${Object.keys(shapes).join(', ')}`);
      }
      values[word] = shape(value, { ...at, path });
    }
    const missing = required.find((word) => values[word] === undefined);
    if (missing !== undefined) throw new ConfigFault(at.path, `"${missing}" is missing`);
    return values as RecordOf<S, R>;
  };
}

type RecordOf<S extends Readonly<Record<string, Shape<unknown>>>, R extends string> = {
  readonly [K in keyof S & R]: ReturnType<S[K]>;
} & { readonly [K in Exclude<keyof S, R>]?: ReturnType<S[K]> };

function* pairs(node: Node | null | undefined, at: At): Generator<[string, Node | null, Path]> {
  if (!isMap(node)) throw wrong(node, at, 'a mapping');
  for (const { key, value } of node.items) {
    if (!isScalar(key)) throw wrong(key as Node | null, at, 'plain keys');
    const word = wordOf(key);
    if (word === undefined) throw wrong(key, at, 'a name as the key');
    const path = [...at.path, word];
    note(at.places, path, key);
    yield [word, value as Node | null, path];
  }
}

function note(places: Places, path: Path, node: Node | null): void {
  const offset = node?.range?.[0];
  if (offset !== undefined) places.note(path, offset);
}
