// Serial number arithmetic of RFC 1982 with SERIAL_BITS 32, as RFC 7143 §4.2.2.1 (CmdSN), §11 (StatSN,
// DataSN, R2TSN) use it. Two numbers exactly 2^31 apart have no order: every comparison of them is false.

const HALF = 2 ** 31;

/** The number after this one; 0 follows 0xffffffff. */
export function serialNext(serial: number): number {
  return (serial + 1) >>> 0;
}

/** `serial` moved by `steps`, an integer in ±(2^31 - 1). */
export function serialAdd(serial: number, steps: number): number {
  return (serial + steps) >>> 0;
}

/** How many steps lead from `from` to `to`, the shorter way round; negative when `to` is before `from`. */
export function serialDistance({ from, to }: { readonly from: number; readonly to: number }): number {
  return (to - from) | 0;
}

/** `a` < `b` in serial order. */
export function serialLess(a: number, b: number): boolean {
  const ahead = (b - a) >>> 0;
  return ahead !== 0 && ahead < HALF;
}

/** `a` ≤ `b` in serial order. */
export function serialLessOrEqual(a: number, b: number): boolean {
  return (b - a) >>> 0 < HALF;
}

/** -1, 0 or 1 as `a` is before, equal to or after `b`; undefined when they have no order. */
export function serialCompare(a: number, b: number): -1 | 0 | 1 | undefined {
  if (a === b) return 0;
  if (serialLess(a, b)) return -1;
  return serialLess(b, a) ? 1 : undefined;
}
