/** Stands in for `smtp` until it is there. */
export interface Capabilities {
  readonly pipelining: boolean;
  readonly chunking: boolean;
  readonly eightBitMime: boolean;
  readonly binaryMime: boolean;
  readonly smtputf8: boolean;
  readonly dsn: boolean;
  readonly starttls: boolean;
  readonly size: number | undefined;
  readonly auth: readonly string[];
}
