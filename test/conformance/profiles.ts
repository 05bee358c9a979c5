/**
 * The logical units the suite is run on. No single one suits every test: PREVENT ALLOW MEDIUM REMOVAL wants a
 * removable medium, the write protection tests a protected one.
 */

/** Small, because WRITE SAME with zero blocks and SANITIZE write the whole unit. */
export const CAPACITY_BYTES = 256 * 1024 * 1024;

export interface Profile {
  readonly name: string;
  readonly blockBytes: 512 | 4096;
  readonly removable: boolean;
  readonly readOnly: boolean;
  /** Whether a test (as `SUITE.TEST`) has a meaning on this unit. */
  applies(test: string): boolean;
}

/** On a write-protected unit, what reads only and what asserts that writing is refused. */
const SUITES_READING_ONLY = [
  'Inquiry',
  'Mandatory',
  'ModeSense6',
  'Prefetch10',
  'Prefetch16',
  'PrinReadKeys',
  'PrinReportCapabilities',
  'PrinServiceactionRange',
  'Read6',
  'Read10',
  'Read12',
  'Read16',
  'ReadCapacity10',
  'ReadCapacity16',
  'ReadDefectData10',
  'ReadDefectData12',
  'ReadOnly',
  'ReportSupportedOpcodes',
  'TestUnitReady',
  'iSCSIcmdsn',
];

/** Tests that ask for what the unit is not, by what is wrong with them there. */
const NOT_ON_512E = ['GetLBAStatus.UnmapSingle'];
const WHY_NOT_ON_512E = 'asks for the status of block i + 1 and wants to be told of block i + 8';
const NOT_ON_4096 = [
  ...['AccessEA', 'AccessWE', 'AccessEARO', 'AccessWERO', 'AccessEAAR', 'AccessWEAR'].map(
    (test) => `ProutReserve.${test}`,
  ),
];

/** Tests that take for zeroes what they have not written themselves: they come first, on a fresh unit. */
export const WANTS_FRESH_UNIT: readonly string[] = ['MultipathIO.CompareAndWrite'];

const WHY_NOT_ON_4096 = 'writes 512 bytes, whatever the length of a block';

const on512e = (test: string): boolean => !NOT_ON_512E.includes(test);

export const PROFILES: readonly Profile[] = [
  { name: 'plain', blockBytes: 512, removable: false, readOnly: false, applies: on512e },
  { name: 'removable', blockBytes: 512, removable: true, readOnly: false, applies: on512e },
  {
    name: 'read-only',
    blockBytes: 512,
    removable: false,
    readOnly: true,
    applies: (test) => SUITES_READING_ONLY.includes(test.split('.')[0] ?? ''),
  },
  {
    name: '4096',
    blockBytes: 4096,
    removable: false,
    readOnly: false,
    applies: (test) => !NOT_ON_4096.includes(test),
  },
];

/** Why a test is not run on a profile, in a few words; empty when it is, and where it is that it writes. */
export function whyNotOn(name: string, test: string): string {
  const profile = PROFILES.find((one) => one.name === name);
  if (profile === undefined || profile.readOnly || profile.applies(test)) return '';
  return profile.blockBytes === 4096 ? WHY_NOT_ON_4096 : WHY_NOT_ON_512E;
}
