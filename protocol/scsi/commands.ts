/** Every command there is. */
import { REPORT_TARGET_PORT_GROUPS, SET_TARGET_PORT_GROUPS } from './alua/target-port-groups.ts';
import { CommandTable } from './command.ts';
import { EXTENDED_COPY } from './copy/extended-copy.ts';
import { POPULATE_TOKEN, WRITE_USING_TOKEN } from './copy/offloaded-transfer.ts';
import {
  RECEIVE_COPY_FAILURE_DETAILS,
  RECEIVE_COPY_OPERATING_PARAMETERS,
  RECEIVE_COPY_STATUS,
} from './copy/receive-copy-results.ts';
import { RECEIVE_ROD_TOKEN_INFORMATION } from './copy/receive-rod-token.ts';
import { RELEASE_6, RELEASE_10, RESERVE_6, RESERVE_10 } from './pr/legacy-reserve.ts';
import {
  READ_FULL_STATUS,
  READ_KEYS,
  READ_RESERVATION,
  REPORT_CAPABILITIES,
} from './pr/persistent-reserve-in.ts';
import { PERSISTENT_RESERVE_OUT } from './pr/persistent-reserve-out.ts';
import { PRE_FETCH_10, PRE_FETCH_16, SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16 } from './sbc/cache.ts';
import { READ_CAPACITY_10, READ_CAPACITY_16 } from './sbc/capacity.ts';
import { COMPARE_AND_WRITE, ORWRITE_16 } from './sbc/compare.ts';
import { READ_DEFECT_DATA_10, READ_DEFECT_DATA_12 } from './sbc/defect-data.ts';
import { FORMAT_UNIT } from './sbc/format-unit.ts';
import { PREVENT_ALLOW_MEDIUM_REMOVAL, START_STOP_UNIT } from './sbc/medium.ts';
import { GET_LBA_STATUS, UNMAP } from './sbc/provisioning.ts';
import { READ_6, READ_10, READ_12, READ_16 } from './sbc/read.ts';
import { SANITIZE_BLOCK_ERASE, SANITIZE_EXIT_FAILURE_MODE, SANITIZE_OVERWRITE } from './sbc/sanitize.ts';
import {
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
} from './sbc/verify.ts';
import { WRITE_6, WRITE_10, WRITE_12, WRITE_16 } from './sbc/write.ts';
import { WRITE_ATOMIC_16 } from './sbc/write-atomic.ts';
import { WRITE_SAME_10, WRITE_SAME_16 } from './sbc/write-same.ts';
import { READ_BUFFER, WRITE_BUFFER } from './spc/buffer.ts';
import { RECEIVE_DIAGNOSTIC_RESULTS, SEND_DIAGNOSTIC } from './spc/diagnostic.ts';
import {
  REPORT_IDENTIFYING_INFORMATION,
  SET_IDENTIFYING_INFORMATION,
} from './spc/identifying-information.ts';
import { INQUIRY } from './spc/inquiry.ts';
import { LOG_SELECT, LOG_SENSE } from './spc/log.ts';
import { MODE_SELECT_6, MODE_SELECT_10 } from './spc/mode-select.ts';
import { MODE_SENSE_6, MODE_SENSE_10 } from './spc/mode-sense.ts';
import { REPORT_LUNS } from './spc/report-luns.ts';
import {
  REPORT_SUPPORTED_OPERATION_CODES,
  REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
} from './spc/report-opcodes.ts';
import { REQUEST_SENSE } from './spc/request-sense.ts';
import { TEST_UNIT_READY } from './spc/test-unit-ready.ts';
import { REPORT_TIMESTAMP, SET_TIMESTAMP } from './spc/timestamp.ts';

export const COMMANDS = new CommandTable([
  TEST_UNIT_READY,
  REQUEST_SENSE,
  INQUIRY,
  REPORT_LUNS,
  MODE_SENSE_6,
  MODE_SENSE_10,
  MODE_SELECT_6,
  MODE_SELECT_10,
  REPORT_SUPPORTED_OPERATION_CODES,
  REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
  REPORT_TARGET_PORT_GROUPS,
  SET_TARGET_PORT_GROUPS,
  REPORT_IDENTIFYING_INFORMATION,
  SET_IDENTIFYING_INFORMATION,
  REPORT_TIMESTAMP,
  SET_TIMESTAMP,
  LOG_SENSE,
  LOG_SELECT,
  SEND_DIAGNOSTIC,
  RECEIVE_DIAGNOSTIC_RESULTS,
  READ_BUFFER,
  WRITE_BUFFER,
  RESERVE_6,
  RELEASE_6,
  RESERVE_10,
  RELEASE_10,
  READ_KEYS,
  READ_RESERVATION,
  REPORT_CAPABILITIES,
  READ_FULL_STATUS,
  ...PERSISTENT_RESERVE_OUT,
  READ_CAPACITY_10,
  READ_CAPACITY_16,
  READ_6,
  READ_10,
  READ_12,
  READ_16,
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  SYNCHRONIZE_CACHE_10,
  SYNCHRONIZE_CACHE_16,
  PRE_FETCH_10,
  PRE_FETCH_16,
  UNMAP,
  GET_LBA_STATUS,
  WRITE_SAME_10,
  WRITE_SAME_16,
  COMPARE_AND_WRITE,
  ORWRITE_16,
  WRITE_ATOMIC_16,
  READ_DEFECT_DATA_10,
  READ_DEFECT_DATA_12,
  FORMAT_UNIT,
  SANITIZE_OVERWRITE,
  SANITIZE_BLOCK_ERASE,
  SANITIZE_EXIT_FAILURE_MODE,
  START_STOP_UNIT,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  EXTENDED_COPY,
  RECEIVE_COPY_STATUS,
  RECEIVE_COPY_OPERATING_PARAMETERS,
  RECEIVE_COPY_FAILURE_DETAILS,
  POPULATE_TOKEN,
  WRITE_USING_TOKEN,
  RECEIVE_ROD_TOKEN_INFORMATION,
]);
