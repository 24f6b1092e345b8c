/** The status of one recipient. */
import type { Reply } from './reply.ts';

/**
 * The fate of one recipient, as the spool keeps it, the log prints it and a DSN reports it.
 * `pending` is logged as `deferred` and reported as `delayed`; `failed` is logged as `bounced`
 * or, when the time ran out, `expired`.
 */
export type RecipientStatus =
  | { readonly status: 'pending'; readonly at: number; readonly relay?: string; readonly reply: Reply }
  | {
      readonly status: 'delivered';
      readonly at: number;
      readonly relay: string;
      readonly reply: Reply;
      /** The next hop does not speak DSN, so a SUCCESS report has to say `relayed` (RFC 3461 §5.2.2). */
      readonly relayed?: boolean;
      /** The next hop took over the duty to notify (it offered DSN). */
      readonly dsnPassedOn?: boolean;
      /** Other recipients replaced this one: no DSN reports it. */
      readonly redirected?: true;
    }
  | {
      readonly status: 'failed';
      readonly at: number;
      readonly relay?: string;
      readonly reply: Reply;
      readonly expired?: boolean;
      /** An operator removed the recipient: no DSN reports it. */
      readonly removed?: true;
    };
