/** Everything that an initiator can push against has a name here. */

/** Data of one READ, WRITE or VERIFY; VPD page B0h says it in blocks. */
export const TRANSFER_BYTES_MAX = 16 * 1024 * 1024;
/** OPTIMAL TRANSFER LENGTH of VPD page B0h. */
export const TRANSFER_BYTES_OPTIMAL = 1024 * 1024;
/** What one WRITE SAME may cover. */
export const WRITE_SAME_BYTES_MAX = 16 * 1024 * 1024;
/** MAXIMUM COMPARE AND WRITE LENGTH: the field is one byte. */
export const COMPARE_AND_WRITE_BLOCKS_MAX = 255;
/** Logical blocks of all descriptors of one UNMAP together. */
export const UNMAP_BLOCKS_MAX = 1024 * 1024;
/** Block descriptors of one UNMAP. */
export const UNMAP_DESCRIPTORS_MAX = 256;
/** Logical blocks that FORMAT UNIT gives back in one step; others come to their turn in between. */
export const FORMAT_STEP_BLOCKS = 1024 * 1024;
/** What SANITIZE, OVERWRITE writes in one step; others do not come in between, but a flush does. */
export const OVERWRITE_STEP_BYTES = 16 * 1024 * 1024;
/** What one WRITE ATOMIC may cover. */
export const ATOMIC_BYTES_MAX = 16 * 1024 * 1024;
/** The physical block, which is the pool's: what is stored, given back and written atomically as one. */
export const PHYSICAL_BLOCK_BYTES = 4096;
/** LBA status descriptors of one GET LBA STATUS. */
export const LBA_STATUS_DESCRIPTORS_MAX = 256;
/** A threshold set: the unit in which resources for thin provisioning are counted (SBC-3 §4.7.3.8). */
export const THRESHOLD_SET_BYTES = 1024 * 1024;
/** Persistent reservation registrations of one logical unit. */
export const REGISTRATIONS_MAX = 256;
/** Unit attentions waiting for one nexus at one logical unit; past that a reset stands for them all. */
export const UNIT_ATTENTIONS_MAX = 8;
/** Tasks of one logical unit that wait behind others in its task set; past that TASK SET FULL. */
export const BLOCKED_TASKS_MAX = 1024;
/** Read by a self-test at each end of the unit. */
export const SELF_TEST_BYTES = 1024 * 1024;
/** Self-test results that are kept: what log page 10h has room for. */
export const SELF_TEST_RESULTS_MAX = 20;
/** Echo buffer of a nexus at a unit. */
export const ECHO_BUFFER_BYTES = 4096;
/** Longest initiator port name kept with a registration: 223 bytes of iSCSI name, ",i,0x" and 12 digits. */
export const PORT_NAME_BYTES_MAX = 241;
