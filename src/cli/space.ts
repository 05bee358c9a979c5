/** What a VLUN or snapshot takes, as tables show it. */
import { formatSize } from '../units-of-size.ts';

export interface Space {
  readonly referencedBytes: number;
  readonly exclusiveBytes: number;
  readonly usageAt?: string | null;
}

/** Both cells: `~` before figures of a moment ago, `<` where it was never counted, before what it is at most. */
export function spaceCells({
  referencedBytes,
  exclusiveBytes,
  usageAt,
}: Space): [string, string | undefined] {
  const referenced = formatSize(referencedBytes);
  if (usageAt === null) return [`<${referenced}`, undefined];
  const mark = usageAt === undefined ? '' : '~';
  return [`${mark}${referenced}`, `${mark}${formatSize(exclusiveBytes)}`];
}
