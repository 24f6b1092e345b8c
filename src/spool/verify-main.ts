/** The process that `verifySpool` starts. */
import { SpoolError } from './spool.ts';
import { verifyHere } from './verify.ts';

/** Run as a process of its own: verifies the spool named as its argument, and prints the report as JSON. */
const path = process.argv[2];
if (path === undefined) throw new Error('which spool?');
try {
  console.log(JSON.stringify(await verifyHere(path)));
} catch (error) {
  if (!(error instanceof SpoolError)) throw error;
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}
