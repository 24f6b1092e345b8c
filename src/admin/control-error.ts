/** How a control command fails. */

/** The cause of a failure, for the exit code and the text of a command. */
export type ControlErrorCode =
  /** The request is not one. */
  | 'bad-request'
  | 'too-large'
  | 'not-found'
  /** An address that mail was to go to does not exist. */
  | 'no-user'
  /** The relay could not do it; the message says why. */
  | 'failed'
  /** The disk of the relay takes no writes now: to be tried again later. */
  | 'storage'
  /** No relay listens there. */
  | 'unavailable'
  /** The socket belongs to someone else. */
  | 'denied'
  /** Another relay uses this data folder. */
  | 'in-use';

/** A control command that did not come to its end. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;
  constructor(code: ControlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ControlError';
    this.code = code;
  }
}
