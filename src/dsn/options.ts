/** Defaults of notices of failure and delay. */

/** The default limit of the enclosed message: 50 kB. */
export const maxReturnedBytes = 50_000;
