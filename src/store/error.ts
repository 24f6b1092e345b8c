/** The errors of the store. */

/**
 * Why the store could not do its work. `full`: no space left, nothing was written. `io`: the disk refused, so a write
 * may or may not be durable. `corrupt`: a value does not match its checksum or its structure. `locked`: another
 * process has the store open.
 */
export type StoreErrorCode = 'full' | 'io' | 'corrupt' | 'closed' | 'newer-version' | 'locked';

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}
