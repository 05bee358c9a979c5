/** PERSISTENT RESERVE IN and OUT as an initiator writes them (SPC-4 §6.15, §6.16). */
import type { TaskResult } from '../../../../../protocol/scsi/task.ts';
import { hexOf, type Initiator, u16, u32, u64 } from '../harness.ts';

export const APTPL = 0x01;
export const ALL_TG_PT = 0x04;
export const SPEC_I_PT = 0x08;

export interface OutOptions {
  readonly type?: number;
  readonly scope?: number;
  readonly flags?: number;
  readonly more?: readonly number[];
}

export function reserveOut(
  a: Initiator,
  action: number,
  keys: readonly [own: bigint, other: bigint],
  { type = 0, scope = 0, flags = 0, more = [] }: OutOptions = {},
): Promise<TaskResult> {
  const list = [...u64(keys[0]), ...u64(keys[1]), 0, 0, 0, 0, flags, 0, 0, 0, ...more];
  const cdb = [0x5f, action, (scope << 4) | type, 0, 0, ...u32(list.length), 0];
  return a.run(cdb, { dataOut: Uint8Array.from(list) });
}

export const register = (
  a: Initiator,
  own: bigint,
  next: bigint,
  options?: OutOptions,
): Promise<TaskResult> => reserveOut(a, 0x00, [own, next], options);
export const reserve = (a: Initiator, key: bigint, type: number): Promise<TaskResult> =>
  reserveOut(a, 0x01, [key, 0n], { type });
export const release = (a: Initiator, key: bigint, type: number): Promise<TaskResult> =>
  reserveOut(a, 0x02, [key, 0n], { type });
export const clear = (a: Initiator, key: bigint): Promise<TaskResult> => reserveOut(a, 0x03, [key, 0n]);
export const preempt = (
  a: Initiator,
  key: bigint,
  victim: bigint,
  { type, abort = false }: { type: number; abort?: boolean },
): Promise<TaskResult> => reserveOut(a, abort ? 0x05 : 0x04, [key, victim], { type });
export const registerAnyway = (a: Initiator, next: bigint, options?: OutOptions): Promise<TaskResult> =>
  reserveOut(a, 0x06, [0x999n, next], options);

/** REGISTER AND MOVE with the TransportID of an initiator port. */
export function move(
  a: Initiator,
  keys: readonly [own: bigint, other: bigint],
  { to, unregister = false, port = 1 }: { to: readonly number[]; unregister?: boolean; port?: number },
): Promise<TaskResult> {
  const flags = unregister ? 0x02 : 0;
  const list = [...u64(keys[0]), ...u64(keys[1]), 0, flags, ...u16(port), ...u32(to.length), ...to];
  return a.run([0x5f, 0x07, 0, 0, 0, ...u32(list.length), 0], { dataOut: Uint8Array.from(list) });
}

export function transportId(portName: string): number[] {
  const name = [...Buffer.from(portName), 0];
  while (name.length % 4 !== 0 || name.length < 20) name.push(0);
  return [0x45, 0, ...u16(name.length), ...name];
}

export async function reserveIn(a: Initiator, action: number, allocation = 4096): Promise<string> {
  const { dataIn } = await a.run([0x5e, action, 0, 0, 0, 0, 0, ...u16(allocation), 0]);
  return hexOf(dataIn);
}

/** PRGENERATION and the keys, in order. */
export async function keys(a: Initiator): Promise<[generation: number, ...keys: string[]]> {
  const hex = await reserveIn(a, 0);
  return [
    Number.parseInt(hex.slice(0, 8), 16),
    ...(hex.slice(16).match(/.{16}/g) ?? []).map((key) => key.replace(/^0+/, '')),
  ];
}

/** "key/type" of the reservation, or "none". */
export async function reservation(a: Initiator): Promise<string> {
  const hex = await reserveIn(a, 1);
  return hex.length === 16 ? 'none' : `${hex.slice(16, 32).replace(/^0+(?=.)/, '')}/${hex.slice(42, 44)}`;
}
