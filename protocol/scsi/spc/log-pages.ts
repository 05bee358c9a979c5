/**
 * Log pages (SPC-4 §7.3, SBC-3 §6.4) as lists of parameters, written from the counters of the device server.
 * There is no temperature to report and no background scan of one unit, so those pages are not there.
 */
import type { TargetFacts } from '../command.ts';
import type { DeviceServer } from '../device-server.ts';
import { SELF_TEST_RESULTS_MAX, THRESHOLD_SET_BYTES } from '../limits.ts';
import { concatenated, u16Bytes, u32Bytes, u64Bytes } from '../parameter-data.ts';
import type { SelfTestResult } from '../self-test.ts';
import type { Counters } from '../statistics.ts';

/** PAGE CODE field of LOG SENSE (SPC-4 Table 375). */
export const LogPage = {
  SUPPORTED: 0x00,
  WRITE_ERROR_COUNTERS: 0x02,
  READ_ERROR_COUNTERS: 0x03,
  VERIFY_ERROR_COUNTERS: 0x05,
  LOGICAL_BLOCK_PROVISIONING: 0x0c,
  START_STOP_CYCLE_COUNTER: 0x0e,
  SELF_TEST_RESULTS: 0x10,
  GENERAL_STATISTICS: 0x19,
  INFORMATIONAL_EXCEPTIONS: 0x2f,
} as const;

export interface LogParameter {
  readonly code: number;
  /** A counter obeys PAGE CONTROL; a list is the same whatever that says (SPC-4 §7.3.2.2.2.5). */
  readonly kind: 'counter' | 'list';
  readonly value: Uint8Array;
}

type Parameters = (server: DeviceServer, target: TargetFacts) => readonly LogParameter[];

function counter(code: number, value: number): LogParameter {
  return { code, kind: 'counter', value: u64Bytes(value) };
}

/** TOTAL ERRORS CORRECTED, TOTAL BYTES PROCESSED and TOTAL UNCORRECTED ERRORS (SPC-4 Table 392). */
function errorCounters(of: (server: DeviceServer) => Counters): Parameters {
  return (server) => {
    const { bytes, uncorrectedErrors } = of(server);
    return [counter(0x0003, 0), counter(0x0005, bytes), counter(0x0006, uncorrectedErrors)];
  };
}

/** SCOPE 10b: the resources are not this unit's alone (SBC-3 Table 118). */
const SHARED_SCOPE = 0x02;

/** AVAILABLE LBA MAPPING RESOURCE COUNT in threshold sets, where the store knows it (SBC-3 §6.4.4). */
function logicalBlockProvisioning({ unit }: DeviceServer): readonly LogParameter[] {
  const available = unit.availableBytes?.();
  if (!unit.thin || available === undefined) return [];
  const sets = Math.min(Math.floor(available / THRESHOLD_SET_BYTES), 0xffffffff);
  const value = concatenated(u32Bytes(sets), Uint8Array.of(SHARED_SCOPE, 0, 0, 0));
  return [{ code: 0x0001, kind: 'list', value }];
}

/** ACCUMULATED START-STOP CYCLES. A lifetime is not specified: there is no spindle. */
function startStopCycles({ statistics }: DeviceServer): readonly LogParameter[] {
  return [{ code: 0x0004, kind: 'list', value: u32Bytes(statistics.stops) }];
}

const MS_PER_HOUR = 3_600_000;
const NO_LBA = 0xffff_ffff_ffff_ffffn;

/** One self-test results parameter (SPC-4 Table 411); all zeroes where no test was run. */
function selfTestResult(code: number, result: SelfTestResult | undefined): LogParameter {
  if (result === undefined) return { code, kind: 'list', value: new Uint8Array(16) };
  const hours = Math.min(Math.floor(result.atMs / MS_PER_HOUR), 0xffff);
  const value = concatenated(
    Uint8Array.of((result.code << 5) | result.result, 0),
    u16Bytes(hours),
    u64Bytes(result.failedLba ?? NO_LBA),
    Uint8Array.of(result.sense.key, result.sense.asc, result.sense.ascq, 0),
  );
  return { code, kind: 'list', value };
}

function selfTestResults({ selfTests }: DeviceServer): readonly LogParameter[] {
  return Array.from({ length: SELF_TEST_RESULTS_MAX }, (_, i) => selfTestResult(i + 1, selfTests.results[i]));
}

/**
 * General access statistics (SPC-4 Table 399). No command is timed, so the intervals are zero and the
 * parameters that say how long one is are left out.
 */
function generalStatistics({ statistics, device }: DeviceServer): readonly LogParameter[] {
  const { read, write } = statistics;
  const { blockBytes } = device.geometry;
  const numbers = [
    read.commands,
    write.commands,
    write.bytes / blockBytes,
    read.bytes / blockBytes,
    0,
    0,
    0,
    0,
  ];
  const value = concatenated(...numbers.map((number) => u64Bytes(Math.floor(number))));
  return [{ code: 0x0001, kind: 'list', value }];
}

/** No informational exception is pending, and no temperature is known (SPC-4 Table 401). */
function informationalExceptions(): readonly LogParameter[] {
  return [{ code: 0x0000, kind: 'list', value: Uint8Array.of(0, 0, 0xff, 0) }];
}

export const LOG_PAGES: ReadonlyMap<number, Parameters> = new Map<number, Parameters>([
  [LogPage.WRITE_ERROR_COUNTERS, errorCounters(({ statistics }) => statistics.write)],
  [LogPage.READ_ERROR_COUNTERS, errorCounters(({ statistics }) => statistics.read)],
  [LogPage.VERIFY_ERROR_COUNTERS, errorCounters(({ statistics }) => statistics.verify)],
  [LogPage.LOGICAL_BLOCK_PROVISIONING, logicalBlockProvisioning],
  [LogPage.START_STOP_CYCLE_COUNTER, startStopCycles],
  [LogPage.SELF_TEST_RESULTS, selfTestResults],
  [LogPage.GENERAL_STATISTICS, generalStatistics],
  [LogPage.INFORMATIONAL_EXCEPTIONS, informationalExceptions],
]);

/** Takes the counters that a page shows, or every page where none is named, back to zero. */
export function resetCounters({ statistics }: DeviceServer, page: number): void {
  const all = page === LogPage.SUPPORTED;
  const both = all || page === LogPage.GENERAL_STATISTICS;
  if (both || page === LogPage.READ_ERROR_COUNTERS) statistics.read.reset();
  if (both || page === LogPage.WRITE_ERROR_COUNTERS) statistics.write.reset();
  if (all || page === LogPage.VERIFY_ERROR_COUNTERS) statistics.verify.reset();
}
