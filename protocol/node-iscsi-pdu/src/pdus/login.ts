import { bit, bits, type RecordOf, raw, u8, u16, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

/** Stages, the values of CSG and NSG, RFC 7143 §11.12.3. Two is reserved. */
export const LoginStage = {
  SECURITY_NEGOTIATION: 0,
  OPERATIONAL_NEGOTIATION: 1,
  FULL_FEATURE_PHASE: 3,
} as const;
export type LoginStage = (typeof LoginStage)[keyof typeof LoginStage];

/** The only version, RFC 7143 §11.12.4. */
export const ISCSI_VERSION = 0x00;

/** Status-Class, RFC 7143 §11.13.5. */
export const LoginStatusClass = { SUCCESS: 0, REDIRECTION: 1, INITIATOR_ERROR: 2, TARGET_ERROR: 3 } as const;
export type LoginStatusClass = (typeof LoginStatusClass)[keyof typeof LoginStatusClass];

/**
 * Status-Class in the high byte and Status-Detail in the low one, RFC 7143 §11.13.5: the value of field
 * `status`.
 */
export const LoginStatus = {
  SUCCESS: 0x0000,
  TARGET_MOVED_TEMPORARILY: 0x0101,
  TARGET_MOVED_PERMANENTLY: 0x0102,
  INITIATOR_ERROR: 0x0200,
  AUTHENTICATION_FAILURE: 0x0201,
  AUTHORIZATION_FAILURE: 0x0202,
  NOT_FOUND: 0x0203,
  TARGET_REMOVED: 0x0204,
  UNSUPPORTED_VERSION: 0x0205,
  TOO_MANY_CONNECTIONS: 0x0206,
  MISSING_PARAMETER: 0x0207,
  CANNOT_INCLUDE_IN_SESSION: 0x0208,
  SESSION_TYPE_NOT_SUPPORTED: 0x0209,
  SESSION_DOES_NOT_EXIST: 0x020a,
  INVALID_DURING_LOGIN: 0x020b,
  TARGET_ERROR: 0x0300,
  SERVICE_UNAVAILABLE: 0x0301,
  OUT_OF_RESOURCES: 0x0302,
} as const;
export type LoginStatus = (typeof LoginStatus)[keyof typeof LoginStatus];

/** Types of an ISID, the two highest bits of its first byte, RFC 7143 §11.12.5. */
export const IsidType = { OUI: 0, ENTERPRISE_NUMBER: 1, RANDOM: 2, RESERVED: 3 } as const;
export type IsidType = (typeof IsidType)[keyof typeof IsidType];

export const LoginRequest = definePdu({
  name: 'Login Request',
  opcode: Opcode.LOGIN_REQUEST,
  cite: 'RFC 7143 §11.12',
  layout: {
    immediate: bit(0, 6),
    transit: bit(1, 7),
    continue: bit(1, 6),
    csg: bits(1, 3, 2),
    nsg: bits(1, 1, 0),
    versionMax: u8(2),
    versionMin: u8(3),
    ...LENGTHS,
    isid: raw(8, 6),
    tsih: u16(14),
    initiatorTaskTag: u32(16),
    cid: u16(20),
    cmdSN: u32(24),
    expStatSN: u32(28),
  },
  defaults: { immediate: true },
});
export type LoginRequest = RecordOf<typeof LoginRequest.layout>;

/** `status` is Status-Class and Status-Detail together, see {@link LoginStatus}. */
export const LoginResponse = definePdu({
  name: 'Login Response',
  opcode: Opcode.LOGIN_RESPONSE,
  cite: 'RFC 7143 §11.13',
  layout: {
    transit: bit(1, 7),
    continue: bit(1, 6),
    csg: bits(1, 3, 2),
    nsg: bits(1, 1, 0),
    versionMax: u8(2),
    versionActive: u8(3),
    ...LENGTHS,
    isid: raw(8, 6),
    tsih: u16(14),
    initiatorTaskTag: u32(16),
    statSN: u32(24),
    expCmdSN: u32(28),
    maxCmdSN: u32(32),
    status: u16(36),
  },
});
export type LoginResponse = RecordOf<typeof LoginResponse.layout>;
