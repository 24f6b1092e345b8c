/** Preloaded into the relay by `npm run bench -- profile`: SIGUSR2 starts the sampling, the next one writes it. */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

const file = process.env.BENCH_PROFILE ?? 'profile.cpuprofile';
const session = new Session();
let isSampling = false;

async function toggle(): Promise<void> {
  if (!isSampling) {
    isSampling = true;
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
    return;
  }
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  isSampling = false;
  writeFileSync(`${file}.part`, JSON.stringify(profile));
  writeFileSync(`${file}.done`, '');
}

process.on('SIGUSR2', () => void toggle());
