/** What one third-party copy may ask for, as VPD page 8Fh and RECEIVE COPY OPERATING PARAMETERS say it. */

/** CSCD descriptors of one EXTENDED COPY. */
export const CSCD_DESCRIPTORS_MAX = 64;
export const CSCD_DESCRIPTOR_BYTES = 32;
/** Segment descriptors of one EXTENDED COPY: ten gibibytes in blocks of 512 bytes are 321. */
export const SEGMENT_DESCRIPTORS_MAX = 512;
export const SEGMENT_DESCRIPTOR_BYTES = 28;
/** CSCD and segment descriptors together. */
export const DESCRIPTOR_LIST_BYTES_MAX =
  CSCD_DESCRIPTORS_MAX * CSCD_DESCRIPTOR_BYTES + SEGMENT_DESCRIPTORS_MAX * SEGMENT_DESCRIPTOR_BYTES;
/** The most that NUMBER OF BLOCKS, two bytes, can say in the longest blocks there are. */
export const SEGMENT_BYTES_MAX = 0xffff * 4096;
/** Copies of one nexus at a time, less than there are list identifiers. */
export const COPIES_MAX = 255;

/** Ranges of one POPULATE TOKEN or WRITE USING TOKEN: what a list of 4 KiB has room for beside a token. */
export const TOKEN_RANGES_MAX = 128;
/** Bytes that one token represents, and how many a host should ask for at a time. */
export const TOKEN_BYTES_MAX = 16 * 1024 ** 3;
export const TOKEN_BYTES_OPTIMAL = 1024 ** 3;
/** For so long, in seconds, a token lives unused: where its maker does not say, and at most. */
export const TOKEN_TIMEOUT_DEFAULT_SECONDS = 60;
export const TOKEN_TIMEOUT_MAX_SECONDS = 600;
/** Tokens of all units; the one that was not used for longest makes room for another. */
export const TOKENS_MAX = 256;
/** Token operations of a nexus at a unit of which it is known what became of them; the oldest goes. */
export const TOKEN_OPERATIONS_MAX = 256;

/** Identification descriptor CSCD descriptor (SPC-4 §6.4.5.1). */
export const IDENTIFICATION_CSCD = 0xe4;
/** Copy from block device to block device (SPC-4 §6.4.6.5). */
export const BLOCK_TO_BLOCK_SEGMENT = 0x02;
/** The index that stands for the unit which got the command, without a descriptor (SPC-4 §6.4.6.1). */
export const OWN_UNIT = 0xffff;
