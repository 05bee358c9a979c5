/** Arguments of admin verbs, checked at the door: each verb declares its fields, and gets them typed. */
import { OperatorError } from '../../lun/errors.ts';

interface FieldTypes {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly strings: readonly string[];
  readonly numbers: readonly number[];
}

type FieldKind = keyof FieldTypes | `${keyof FieldTypes}?`;

/** Field names with their kinds; a question mark makes one optional. */
export type Fields = Readonly<Record<string, FieldKind>>;

export type ArgumentsOf<F extends Fields> = {
  readonly [Name in keyof F]: F[Name] extends keyof FieldTypes
    ? FieldTypes[F[Name]]
    : F[Name] extends `${infer Kind extends keyof FieldTypes}?`
      ? FieldTypes[Kind] | undefined
      : never;
};

function matches(kind: string, value: unknown): boolean {
  switch (kind) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'strings':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'numbers':
      return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));
    default:
      return typeof value === kind;
  }
}

export function checkArguments<F extends Fields>(
  verb: string,
  fields: F,
  given: Readonly<Record<string, unknown>>,
): ArgumentsOf<F> {
  for (const name of Object.keys(given)) {
    if (fields[name] === undefined) throw new OperatorError('usage', `${verb} takes no argument "${name}"`);
  }
  for (const [name, kind] of Object.entries(fields)) {
    const value = given[name];
    const optional = kind.endsWith('?');
    if (value === undefined || value === null) {
      if (!optional) throw new OperatorError('usage', `${verb} wants "${name}"`);
      continue;
    }
    const wanted = optional ? kind.slice(0, -1) : kind;
    if (!matches(wanted, value)) throw new OperatorError('usage', `${verb}: "${name}" must be a ${wanted}`);
  }
  return given as ArgumentsOf<F>;
}
