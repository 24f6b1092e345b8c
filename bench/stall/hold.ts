/**
 * Loaded into the relay before its own code: says on SIGUSR2 how long the event loop was held at most since the last
 * time, in milliseconds, as a line of its own on standard output: the CPU time that its thread used between two turns,
 * and the time on the clock, which others on the machine make longer.
 */

const everyMs = 1;
const longest = { cpu: 0, clock: 0 };
let last = look();

function look(): { readonly cpu: number; readonly clock: number } {
  const { user, system } = process.threadCpuUsage();
  return { cpu: (user + system) / 1000, clock: performance.now() };
}

setInterval(() => {
  const now = look();
  longest.cpu = Math.max(longest.cpu, now.cpu - last.cpu);
  longest.clock = Math.max(longest.clock, now.clock - last.clock - everyMs);
  last = now;
}, everyMs).unref();

process.on('SIGUSR2', () => {
  // What began with this turn is still counted.
  setTimeout(() => {
    process.stdout.write(`held ${longest.cpu} ${longest.clock}\n`);
    longest.cpu = 0;
    longest.clock = 0;
  }, everyMs);
});
