/** Puts a message of sendmail into the maildrop. */
import { ControlError } from '../admin/index.ts';
import type { Domain } from '../mail/index.ts';
import { type DropEnvelope, dropMail } from '../maildrop/index.ts';
import type { ReceiverLimits } from '../receiver/index.ts';
import { CliError, exitCode } from './exit-code.ts';

/** The part of the configuration that sendmail needs. */
export interface SendmailSite {
  readonly hostname: string;
  /** The folder of the maildrop. */
  readonly maildrop: string;
  readonly maxMessageBytes: number;
  readonly limits: ReceiverLimits;
  /** Where `<Postmaster>` is. */
  readonly postmasterDomain: Domain;
}

/** Puts a message into the maildrop and returns the names of its files there. Throws `CliError` for any fault. */
export async function drop(
  folder: string,
  envelope: DropEnvelope,
  octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<readonly string[]> {
  try {
    return await dropMail(folder, envelope, octets);
  } catch (error) {
    throw error instanceof CliError ? error : explain(error, folder);
  }
}

/** Everything but a missing permission and addresses that are too long may be better later: "try again". */
function explain(error: unknown, folder: string): CliError {
  if (error instanceof ControlError) return new CliError(exitCode.dataErr, error.message, { cause: error });
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const cause = { cause: error };
  if (code === 'EACCES' || code === 'EPERM') {
    return new CliError(exitCode.noPerm, `not allowed to write to the maildrop "${folder}"`, cause);
  }
  if (code === 'ENOENT') {
    const problem = `there is no maildrop "${folder}": has the relay ever run?`;
    return new CliError(exitCode.tempFail, problem, cause);
  }
  return new CliError(exitCode.tempFail, `the message could not be kept: ${String(error)}`, cause);
}
