/** Defaults of notices of failure and delay. */

/** The default limit on what is enclosed: 50 kB. */
export const maxReturnedBytes = 50_000;
