/**
 * MODE SELECT(6) and (10) (SPC-4 §6.9, §6.10). The whole list is judged before anything changes. The
 * unit has one form: a block descriptor may say what is so already and nothing else.
 */
import { bit, u8, u16 } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { command, type Request } from '../command.ts';
import type { DeviceServer } from '../device-server.ts';
import { pageBytes } from '../mode-parameters.ts';
import {
  DONE,
  type Failure,
  invalidCdbField,
  invalidParameter,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  received,
} from '../outcome.ts';
import { viewOf } from '../parameter-data.ts';
import { Sense } from '../sense.ts';

const SHORT_DESCRIPTOR_BYTES = 8;
const LONG_DESCRIPTOR_BYTES = 16;
const LONG_LBA = 0x01;

interface ListForm {
  readonly headerBytes: 4 | 8;
  readonly pageFormat: boolean;
  readonly savePages: boolean;
  readonly parameterListLength: number;
}

function modeSelect(request: Request, form: ListForm): MaybePromise<Outcome> {
  const { server, nexus, task } = request;
  if (form.parameterListLength === 0) return DONE;
  const list = task.dataOut.subarray(0, form.parameterListLength);
  const pages = judge(server, list, form);
  if ('failure' in pages) return pages;
  const result = received(form.parameterListLength);
  if (pages.length === 0) return result;
  const changing = server.modes.change(pages, form.savePages);
  server.raise(Sense.MODE_PARAMETERS_CHANGED, nexus);
  return changing instanceof Promise ? changing.then(() => result) : result;
}

/** The pages of the list, or why it cannot be taken. */
function judge(server: DeviceServer, list: Uint8Array, form: ListForm): readonly Uint8Array[] | Failure {
  const { headerBytes } = form;
  if (list.byteLength < headerBytes) return PARAMETER_LIST_LENGTH_ERROR;
  const descriptorBytes = headerBytes === 4 ? (list[3] as number) : viewOf(list).getUint16(6);
  const isLong = headerBytes === 8 && ((list[4] as number) & LONG_LBA) !== 0;
  const first = headerBytes + descriptorBytes;
  if (first > list.byteLength) return PARAMETER_LIST_LENGTH_ERROR;
  const wrong = judgeDescriptor(server, list.subarray(headerBytes, first), { isLong, headerBytes });
  if (wrong !== undefined) return wrong;
  // Without PF the pages are vendor specific, and there are none of those.
  if (first < list.byteLength && !form.pageFormat) return invalidCdbField(1, 4);
  const pages: Uint8Array[] = [];
  for (let at = first; at < list.byteLength; ) {
    const whole = pageBytes(list.subarray(at));
    if (whole === undefined || at + whole > list.byteLength) return PARAMETER_LIST_LENGTH_ERROR;
    const page = list.subarray(at, at + whole);
    const refused = server.modes.firstRefused(page);
    if (refused !== undefined) return invalidParameter(at + refused);
    pages.push(page);
    at += page.byteLength;
  }
  return pages;
}

function judgeDescriptor(
  { device }: DeviceServer,
  descriptor: Uint8Array,
  { isLong, headerBytes }: { isLong: boolean; headerBytes: number },
): Failure | undefined {
  if (descriptor.byteLength === 0) return undefined;
  const expected = isLong ? LONG_DESCRIPTOR_BYTES : SHORT_DESCRIPTOR_BYTES;
  if (descriptor.byteLength !== expected) return invalidParameter(headerBytes === 4 ? 3 : 6);
  const view = viewOf(descriptor);
  const { capacityBlocks, blockBytes } = device.geometry;
  const blocks = isLong ? Number(view.getBigUint64(0)) : view.getUint32(0);
  // Zero keeps the capacity, all ones asks for the largest: there is one capacity.
  const most = isLong ? Number(0xffffffffffffffffn) : 0xffffffff;
  if (blocks !== 0 && blocks !== most && blocks !== capacityBlocks) return invalidParameter(headerBytes);
  const lengthAt = isLong ? 12 : 4;
  const bytes = isLong ? view.getUint32(lengthAt) : view.getUint32(lengthAt) & 0xffffff;
  return bytes === blockBytes ? undefined : invalidParameter(headerBytes + lengthAt + (isLong ? 0 : 1));
}

const FLAGS = { pageFormat: bit(1, 4), savePages: bit(1, 0) };

export const MODE_SELECT_6 = command({
  name: 'MODE SELECT(6)',
  opcode: 0x15,
  cite: 'SPC-4 §6.9',
  cdbBytes: 6,
  cdb: { ...FLAGS, parameterListLength: u8(4) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  runsIn: 'standby',
  run: (request, fields) => modeSelect(request, { headerBytes: 4, ...fields }),
});

export const MODE_SELECT_10 = command({
  name: 'MODE SELECT(10)',
  opcode: 0x55,
  cite: 'SPC-4 §6.10',
  cdbBytes: 10,
  cdb: { ...FLAGS, parameterListLength: u16(7) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  runsIn: 'standby',
  run: (request, fields) => modeSelect(request, { headerBytes: 8, ...fields }),
});
