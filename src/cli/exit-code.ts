/** The exit codes of all commands. */

/** Exit codes of sysexits(3), by which scripts, cron and systemd tell what went wrong. */
export const exitCode = {
  ok: 0,
  /** Not of sysexits, which begins at 64: the search had a result, as with grep and diff. */
  open: 1,
  usage: 64,
  dataErr: 65,
  noInput: 66,
  noUser: 67,
  noHost: 68,
  unavailable: 69,
  software: 70,
  osErr: 71,
  cantCreate: 73,
  ioErr: 74,
  tempFail: 75,
  noPerm: 77,
  config: 78,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** Ends the command with this code, after its message was printed on standard error. */
export class CliError extends Error {
  readonly code: ExitCode;
  constructor(code: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CliError';
    this.code = code;
  }
}
