/** What a store could not do, in words that the SCSI layer turns into sense data in one place. */
export type StoreErrorCode =
  /** The medium answered with an error. */
  | 'IO'
  /** No free space is left for new data (SYSTEM promise 7). */
  | 'NO_SPACE'
  /** A stored block failed its checksum; it was not returned. */
  | 'CORRUPT'
  /** The unit takes no writes. */
  | 'READ_ONLY'
  /** The store failed earlier or was closed: nothing is acknowledged any more. */
  | 'CLOSED';

/** The medium failed, or cannot take more. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  /** First logical block that failed, where one is known. */
  readonly lba: number | undefined;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions & { readonly lba?: number }) {
    super(message, options);
    this.code = code;
    this.lba = options?.lba;
  }
}

/** The operator asked for something that cannot be done; shown without a stack. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  /** A stable word for scripts: 'exists', 'not-found', 'in-use', 'bad-size', … */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
