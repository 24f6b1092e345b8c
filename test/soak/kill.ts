/**
 * Kills the relay under load, again and again: nothing that was acknowledged may be lost, and nothing may be
 * delivered twice that the spool had recorded as delivered. Run: `npm run soak:kill -- [rounds] [seed]`.
 * Prints figures as JSON; exit 1 when one of the two was broken.
 */
import { killRounds } from './kill-rounds.ts';

const [rounds = 200, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number);
const figures = await killRounds({
  rounds,
  seed,
  onRound: (round) => {
    if (process.stderr.isTTY || round % 20 === 0) process.stderr.write(`round ${round} of ${rounds}\n`);
  },
});
console.log(JSON.stringify(figures, null, 2));
const isGood = figures.lost.length === 0 && figures.unexplained.length === 0 && figures.atTheEnd === 0;
process.exit(isGood ? 0 : 1);
