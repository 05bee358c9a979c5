/** What real initiators once sent: `record.ts` made the file. */
import { readFileSync } from 'node:fs';

/** The target that was logged in to; the fuzzer's has the same name. */
export const RECORDED_TARGET = 'iqn.2026-11.io.snaplun:fuzz';

/** The PDUs of each session, in the order they were sent. */
export function loadRecordings(): readonly (readonly Uint8Array[])[] {
  const text = readFileSync(new URL('recordings.hex', import.meta.url), 'utf8');
  return text.split('\n\n').map((session) =>
    session
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Uint8Array.from(Buffer.from(line, 'hex'))),
  );
}
