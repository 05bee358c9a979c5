/** LOG SENSE and LOG SELECT (SPC-4 §6.8, §6.7). Nothing is saved: counters begin anew with the server. */
import { bit, bits, u8, u16 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { DONE, type Failure, invalidCdbField, type Outcome, truncated } from '../outcome.ts';
import { concatenated, u16Bytes } from '../parameter-data.ts';
import { Sense } from '../sense.ts';
import { LOG_PAGES, LogPage, type LogParameter, resetCounters } from './log-pages.ts';

/** PAGE CONTROL field (SPC-4 Table 226). */
const PageControl = { THRESHOLD: 0, CUMULATIVE: 1, DEFAULT_THRESHOLD: 2, DEFAULT_CUMULATIVE: 3 } as const;

/** DS: the page is not saved. */
const DISABLE_SAVE = 0x40;
const SUBPAGE_FORMAT = 0x40;
const ALL_SUBPAGES = 0xff;
/** FORMAT AND LINKING 11b, a binary list; 00b is a bounded data counter (SPC-4 Table 383). */
const BINARY_LIST = 0x03;

function supportedPages(): Uint8Array {
  return Uint8Array.of(LogPage.SUPPORTED, ...LOG_PAGES.keys());
}

/** Pages and subpages in pairs (SPC-4 §7.3.18). */
function supportedSubpages(): Uint8Array {
  const pairs = [[LogPage.SUPPORTED, ALL_SUBPAGES], ...[...LOG_PAGES.keys()].map((code) => [code, 0])];
  return Uint8Array.from([[LogPage.SUPPORTED, 0], ...pairs].flat());
}

/** No counter has a threshold: it is as far away as can be. */
function shownValue({ kind, value }: LogParameter, pageControl: number): Uint8Array {
  if (kind === 'list' || pageControl === PageControl.CUMULATIVE) return value;
  return value.map(() => (pageControl === PageControl.DEFAULT_CUMULATIVE ? 0 : 0xff));
}

function encode(parameter: LogParameter, pageControl: number): Uint8Array {
  const value = shownValue(parameter, pageControl);
  const flags = parameter.kind === 'list' ? BINARY_LIST : 0;
  return concatenated(u16Bytes(parameter.code), Uint8Array.of(flags, value.byteLength), value);
}

interface Fields {
  readonly pageControl: number;
  readonly pageCode: number;
  readonly subpageCode: number;
  readonly parameterPointer: number;
}

/** The parameters of the page from the pointer on. */
function parameters(
  all: readonly LogParameter[],
  { pageControl, parameterPointer }: Fields,
): Uint8Array | Failure {
  const shown = all.filter(({ code }) => code >= parameterPointer);
  if (shown.length === 0 && parameterPointer !== 0) return invalidCdbField(5);
  return concatenated(...shown.map((parameter) => encode(parameter, pageControl)));
}

export const LOG_SENSE = command({
  name: 'LOG SENSE',
  opcode: 0x4d,
  cite: 'SPC-4 §6.8',
  cdbBytes: 10,
  cdb: {
    pageControl: bits(2, 7, 6),
    pageCode: bits(2, 5, 0),
    subpageCode: u8(3),
    parameterPointer: u16(5),
    allocationLength: u16(7),
  },
  // Nothing can be saved.
  refused: { savePages: bit(1, 0) },
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'allowed',
  runsInSanitize: true,
  runsIn: 'standby',
  run({ server, target }, fields): Outcome {
    const { pageCode, subpageCode, allocationLength } = fields;
    const isList = pageCode === LogPage.SUPPORTED;
    if (subpageCode !== 0 && !(isList && subpageCode === ALL_SUBPAGES)) return invalidCdbField(3);
    const page = LOG_PAGES.get(pageCode);
    if (page === undefined && !isList) return invalidCdbField(2, 5);
    const list = subpageCode === 0 ? supportedPages() : supportedSubpages();
    const body = page === undefined ? list : parameters(page(server, target), fields);
    if (!(body instanceof Uint8Array)) return body;
    const format = subpageCode === 0 ? 0 : SUBPAGE_FORMAT;
    const save = isList ? 0 : DISABLE_SAVE;
    const header = Uint8Array.of((isList ? format : save) | pageCode, subpageCode);
    return truncated(concatenated(header, u16Bytes(body.byteLength), body), allocationLength);
  },
});

/** Counters can be taken back to zero, with PCR or with PC 11b, and not be set to anything else. */
export const LOG_SELECT = command({
  name: 'LOG SELECT',
  opcode: 0x4c,
  cite: 'SPC-4 §6.7',
  cdbBytes: 10,
  cdb: {
    parameterCodeReset: bit(1, 1),
    pageControl: bits(2, 7, 6),
    pageCode: bits(2, 5, 0),
  },
  refused: { savePages: bit(1, 0), subpageCode: u8(3), parameterListLength: u16(7) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  runsIn: 'standby',
  run({ server, nexus }, { parameterCodeReset, pageControl, pageCode }): Outcome {
    if (pageCode !== LogPage.SUPPORTED && !LOG_PAGES.has(pageCode)) return invalidCdbField(2, 5);
    if (!parameterCodeReset && pageControl !== PageControl.DEFAULT_CUMULATIVE) return DONE;
    resetCounters(server, pageCode);
    server.raise(Sense.LOG_PARAMETERS_CHANGED, nexus);
    return DONE;
  },
});
