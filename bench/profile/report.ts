/** Reads a CPU profile and prints what it says by area and by function. */
import { relative } from 'node:path';
import { z } from 'zod';

const profile = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

export type CpuProfile = z.infer<typeof profile>;

export function readProfile(text: string): CpuProfile {
  return profile.parse(JSON.parse(text));
}

/** The area of a function that is not in a folder of ours: the first pattern that fits. */
const areas: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['idle', /^\(idle\)/],
  ['garbage collection', /^\(garbage collector\)/],
  ['native, unnamed', /^\((?:program|root)\)/],
  ['socket writes', /^(?:write(?:v|Buffer|(?:Latin1|Utf8|Ascii|Ucs2)String)|shutdown) $/],
  ['socket reads', /^(?:readStart|readStop|onread|onStreamRead)/],
  ['node: promises and ticks', /task_queues|promise_hooks|async_hooks/],
  ['node: timers', /timers/],
  [
    'node: streams and sockets',
    /node:(?:net|_stream|internal\/(?:streams|stream_base|js_stream))|node:events/,
  ],
  ['node: buffers', /node:(?:buffer|internal\/(?:buffer|util))/],
  ['node: the rest', /node:/],
];

function areaOf(name: string, url: string): string {
  const own = /\/src\/([^/]+)\//.exec(url);
  if (own !== null && !url.includes('node_modules')) return `src/${own[1]}`;
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
  if (library !== null) return `library ${library[1]}`;
  const text = `${name} ${url}`;
  return areas.find(([, pattern]) => pattern.test(text))?.[0] ?? 'native';
}

/** Microseconds of self time by key. */
function selfTimes(of: CpuProfile, key: (name: string, url: string, line: number) => string) {
  const keys = new Map(
    of.nodes.map(({ id, callFrame: f }) => [id, key(f.functionName, f.url, f.lineNumber + 1)] as const),
  );
  const times = new Map<string, number>();
  of.samples.forEach((id, at) => {
    const name = keys.get(id) ?? '?';
    times.set(name, (times.get(name) ?? 0) + (of.timeDeltas[at] ?? 0));
  });
  return [...times].sort((a, b) => b[1] - a[1]);
}

/** Prints both tables, per message. */
export function printProfile(of: CpuProfile, messages: number, rows = 60): void {
  const print = (title: string, times: readonly (readonly [string, number])[]) => {
    const busy = times.reduce((sum, [name, us]) => sum + (/^\(?idle/.test(name) ? 0 : us), 0);
    console.log(`\n${title}: ${(busy / messages).toFixed(1)} µs a message`);
    for (const [name, us] of times.slice(0, rows)) {
      const share = /^\(?idle/.test(name) ? '' : `${((us / busy) * 100).toFixed(1)} %`;
      console.log(`${(us / messages).toFixed(2).padStart(8)}  ${share.padStart(7)}  ${name}`);
    }
  };
  print('By area', selfTimes(of, areaOf));
  print(
    'By function',
    selfTimes(of, (name, url, line) => {
      const place = url.startsWith('file:') ? relative(process.cwd(), new URL(url).pathname) : url;
      return place === '' ? name : `${name || '(anonymous)'} ${place}:${line}`;
    }),
  );
}
