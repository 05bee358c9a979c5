/**
 * CHAP secrets come from a file or standard input, never from arguments, where every user could read them.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { OperatorError } from '../../lun/errors.ts';

/** The first line of the file, or of standard input where `path` is "-". */
export function readSecret(path: string): string {
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new OperatorError(
      'secret',
      `cannot read the secret from ${path === '-' ? 'standard input' : path}: ${why}`,
      {
        cause,
      },
    );
  }
  const secret = text.split(/\r?\n/, 1)[0] ?? '';
  if (secret === '') throw new OperatorError('secret', 'the secret is empty');
  return secret;
}

/** What `config show` names it by; nothing where it came from standard input. */
export function secretPath(path: string): string | undefined {
  return path === '-' ? undefined : resolve(path);
}
