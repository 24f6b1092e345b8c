/** The fuzz targets of all folders. */
import { fuzzTargets as admin } from '../../src/admin/fuzz.ts';
import { fuzzTargets as clearinghouse } from '../../src/clearinghouse/fuzz.ts';
import { fuzzTargets as client } from '../../src/client/fuzz.ts';
import { fuzzTargets as config } from '../../src/config/fuzz.ts';
import { fuzzTargets as dns } from '../../src/dns/fuzz.ts';
import { fuzzTargets as dsn } from '../../src/dsn/fuzz.ts';
import { fuzzTargets as localMail } from '../../src/local-mail/fuzz.ts';
import { fuzzTargets as mail } from '../../src/mail/fuzz.ts';
import { fuzzTargets as message } from '../../src/message/fuzz.ts';
import { fuzzTargets as net } from '../../src/net/fuzz.ts';
import { fuzzTargets as pop3 } from '../../src/pop3/fuzz.ts';
import { fuzzTargets as receiver } from '../../src/receiver/fuzz.ts';
import { fuzzTargets as smtp } from '../../src/smtp/fuzz.ts';

/** Takes any octets and throws (or rejects) when an invariant is broken. */
export interface FuzzTarget {
  readonly name: string;
  run(input: Uint8Array): Promise<void> | void;
}

export const targets: readonly FuzzTarget[] = [
  ...mail,
  ...message,
  ...smtp,
  ...dns,
  ...net,
  ...client,
  ...receiver,
  ...dsn,
  ...config,
  ...admin,
  ...pop3,
  ...localMail,
  ...clearinghouse,
];
