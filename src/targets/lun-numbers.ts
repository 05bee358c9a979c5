/**
 * Which LUN number a unit gets: the lowest never used below 256; when all were used, the longest
 * retired that no logged-in session has seen, because an initiator may still hold on to what it saw
 * there.
 */
import { OperatorError } from '../../lun/errors.ts';
import { type LunReference, referenceText, sameReference, type TargetDocument } from './documents.ts';

/** Numbers below this are handed out; peripheral device addressing reaches them all (SAM-5 §4.7.5). */
export const LUNS_MAX = 256;

export interface NumberChoice {
  /** The number that the operator asks for. */
  readonly wanted: number | undefined;
  /** Whether a session that is logged in now may have seen the unit that was retired from this number. */
  readonly seen: (lun: number) => boolean;
}

export function chooseLun(target: TargetDocument, choice: NumberChoice): number {
  if (choice.wanted !== undefined) {
    const holder = target.luns[String(choice.wanted)];
    if (holder !== undefined) {
      throw new OperatorError(
        'in-use',
        `LUN ${choice.wanted} of ${target.targetName} shows ${referenceText(holder)} already; choose another number`,
      );
    }
    return choice.wanted;
  }
  const retired = new Set(target.retiredLuns);
  for (let lun = 0; lun < LUNS_MAX; lun += 1) {
    if (target.luns[String(lun)] === undefined && !retired.has(lun)) return lun;
  }
  const again = target.retiredLuns.find((lun) => !choice.seen(lun));
  if (again !== undefined) return again;
  throw new OperatorError(
    'full',
    `${target.targetName} has no free LUN number: unmap something, or log out the initiators that still know retired ones`,
  );
}

export function withLun(target: TargetDocument, lun: number, reference: LunReference): TargetDocument {
  return {
    ...target,
    luns: { ...target.luns, [String(lun)]: reference },
    retiredLuns: target.retiredLuns.filter((number) => number !== lun),
  };
}

/** Without every LUN that shows something `gone` says yes to; the numbers retire. */
export function withoutLuns(
  target: TargetDocument,
  gone: (reference: LunReference, lun: number) => boolean,
): TargetDocument {
  const luns: Record<string, LunReference> = {};
  const retired: number[] = [];
  for (const [key, reference] of Object.entries(target.luns)) {
    if (gone(reference, Number(key))) retired.push(Number(key));
    else luns[key] = reference;
  }
  if (retired.length === 0) return target;
  const { lunMasks: masks, ...rest } = target;
  const lunMasks = masks === undefined ? {} : { lunMasks: withoutNumbers(masks, retired) };
  return { ...rest, luns, retiredLuns: [...target.retiredLuns, ...retired], ...lunMasks };
}

/** A number that retires is granted to nobody any more: whatever is seen there later is something else. */
function withoutNumbers(
  masks: NonNullable<TargetDocument['lunMasks']>,
  gone: readonly number[],
): NonNullable<TargetDocument['lunMasks']> {
  return Object.fromEntries(
    Object.entries(masks).map(([name, luns]) => [name, luns.filter((lun) => !gone.includes(lun))]),
  );
}

/** The number at which the target shows this, if it does. */
export function lunOf(target: TargetDocument, reference: LunReference): number | undefined {
  for (const [key, held] of Object.entries(target.luns)) {
    if (sameReference(held, reference)) return Number(key);
  }
  return undefined;
}
