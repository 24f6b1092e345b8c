/** Defaults of the spool. */

/** Room for the messages that are under way when the disk is nearly full. */
export const defaultFloorBytes = 200_000_000;
