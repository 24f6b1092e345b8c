/** `posthouse probe`. */
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { canonicalIp, harmlessText, isPort, parseCidr, splitHostPort } from '../base/index.ts';
import { type Domain, parseDomain, parseMailbox } from '../mail/index.ts';
import { classicCases, noteOptOut, noteTest, permission, readRecord, unionCases } from '../probe/index.ts';
import { type Arguments, type Command, usage } from './command.ts';
import { dataFolder, loadSite, locationOptions } from './configuration.ts';
import { CliError, type ExitCode, exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';
import { ProbeListener } from './probe-listener.ts';
import { type ProbePlan, type ProbeResult, type ProbeTarget, probeTarget } from './probe-target.ts';
import { openTable } from './table.ts';

const quiet: ReadonlySet<string> = new Set(['refused', 'auth-required']);

/** `posthouse probe`. */
export const probe: Command = {
  name: 'probe',
  synopsis: 'HOST[:PORT] …',
  summary: 'Test whether another host relays for anyone. Needs permission.',
  options: {
    authorised: {
      value: 'WHO',
      help: 'the person who allowed the test; needed for every host that is not on a private address',
    },
    deliver: {
      value: 'ADDRESS',
      help: 'send marked messages to BOX+TOKEN@DOMAIN; without it recipients are only asked about',
    },
    listen: { value: 'ADDR:PORT', help: 'receive mail for that domain here, and compare the tokens' },
    wait: { value: 'SECONDS', help: 'time to wait for messages that were accepted (default 60)' },
    domain: { value: 'NAME', help: "the target's own domain (default: the name in its greeting)" },
    helo: { value: 'NAME', help: 'our own name (default: hostname of the configuration)' },
    contact: {
      value: 'TEXT',
      help: 'the address for questions about the test (default: postmaster at our name)',
    },
    all: { help: 'the whole battery, not only the tests of nmap, abuse.net and MAPS' },
    tls: { value: 'HOW', help: 'none, starttls or implicit (default: implicit at port 465, else none)' },
    timeout: { value: 'SECONDS', help: 'for each reply (default 60)' },
    'opt-out': { value: 'NETWORK', help: 'never test this address or network again, and end' },
    ...locationOptions,
    verbose: { short: 'v', help: 'show every case with its dialogue' },
    json: { help: 'one JSON object per line: each case, then the verdict of each host' },
  },
  notes: `
A host is called open only when a marked message arrives at --listen. Exit 0 when every host is closed, 1 when
one is open, 75 when that cannot be said (lost connections, greylisting, our address is blocked, mail accepted
and not seen to arrive), 77 when a test is not allowed: no --authorised, opted out, or tested within 24 hours.`,
  arity: { min: 0, max: 100 },
  async run(args, io) {
    const record = join(dataFolder(args, io), 'probe', 'record.json');
    const optOut = args.text('opt-out');
    if (optOut !== undefined) return await optedOut(record, optOut, io);
    if (args.rest.length === 0) throw usage(probe, 'a host is missing');
    const stop = new AbortController();
    using _ = { [Symbol.dispose]: io.onSignal('SIGINT', () => stop.abort()) };
    const site = { helo: loadSite(io, args.text('config')).hostname };
    const plan = planOf(args, site, stop.signal);
    await using listener = await listenerOf(args, plan);
    const codes: ExitCode[] = [];
    for (const name of args.rest) {
      if (stop.signal.aborted) break;
      codes.push(await testOne(name, { args, io, record, plan: { ...plan, ...(listener && { listener }) } }));
    }
    const worst = [exitCode.open, exitCode.noPerm, exitCode.noHost, exitCode.tempFail] as const;
    return worst.find((code) => codes.some((one) => one === code)) ?? exitCode.ok;
  },
};

async function optedOut(record: string, network: string, io: Io): Promise<ExitCode> {
  if (parseCidr(network) === undefined) throw usage(probe, `not a network: "${network}"`);
  await noteOptOut(record, network);
  await io.out(`${network} will not be tested any more\n`);
  return exitCode.ok;
}

interface Testing {
  readonly args: Arguments;
  readonly io: Io;
  readonly record: string;
  readonly plan: ProbePlan;
}

async function testOne(name: string, { args, io, record, plan }: Testing): Promise<ExitCode> {
  const place = await find(name);
  if (place === undefined) {
    io.err(`posthouse: no address for "${name}"\n`);
    return exitCode.noHost;
  }
  const now = Date.now();
  const own = Object.values(networkInterfaces()).flatMap((found) =>
    (found ?? []).map(({ address }) => address),
  );
  const allowed = permission(place.address, await readRecord(record), {
    authorisedBy: args.text('authorised'),
    own,
    now,
  });
  if (allowed.kind === 'refused') {
    io.err(`posthouse: ${name} is not tested: ${allowed.because}\n`);
    return exitCode.noPerm;
  }
  const authority = allowed.kind === 'own' ? 'its own operator' : allowed.by;
  if (allowed.kind === 'authorised')
    await noteTest(record, { target: place.address, authorisedBy: allowed.by, now });
  const target: ProbeTarget = { name, ...place, isOwn: allowed.kind === 'own', authority };
  const tls = args.text('tls') === undefined && place.port === 465 ? 'implicit' : plan.tls;
  const { results, overall } = await probeTarget(target, { ...plan, tls });
  await report(results, { args, io, target });
  if (args.has('json')) await io.out(jsonLine({ target: name, ...overall }));
  else await io.out(`${name}: ${overall.verdict}: ${harmlessText(overall.because)}\n`);
  return { closed: exitCode.ok, open: exitCode.open, inconclusive: exitCode.tempFail }[overall.verdict];
}

async function report(
  results: readonly ProbeResult[],
  { args, io, target }: { readonly args: Arguments; readonly io: Io; readonly target: ProbeTarget },
): Promise<void> {
  if (args.has('json')) {
    for (const { one, token, verdict, evidence, returned } of results) {
      const by = returned === undefined ? {} : { by: returned.from, hops: hops(returned.from, target) };
      await io.out(jsonLine({ target: target.name, case: one.id, token, verdict, ...by, evidence }));
    }
    return;
  }
  const table = openTable(
    [
      { title: 'CASE', width: 12 },
      { title: 'VERDICT', width: 20 },
      { title: 'TESTS', width: 36 },
      { title: 'LAST REPLY', width: 20 },
    ],
    io,
  );
  for (const { one, verdict, evidence, returned } of results) {
    if (!args.has('verbose') && quiet.has(verdict)) continue;
    const seen =
      returned === undefined ? '' : ` (from ${returned.from}, ${hops(returned.from, target)} stage)`;
    await table.row([
      one.id,
      verdict,
      one.session?.tests ?? one.recipient.tests,
      `${evidence.at(-1) ?? ''}${seen}`,
    ]);
    if (args.has('verbose')) for (const line of evidence) await io.out(`    ${harmlessText(line)}\n`);
  }
}

/**
 * A return from another host than the tested one is relaying in several stages: the first host may be closed itself.
 */
function hops(from: string, { address }: ProbeTarget): 'single' | 'multi' {
  return from === address ? 'single' : 'multi';
}

function planOf(args: Arguments, site: { readonly helo: Domain }, signal: AbortSignal): ProbePlan {
  const seconds = (name: string, otherwise: number) => {
    const value = Number(args.text(name) ?? otherwise);
    if (!(value > 0 && value <= 86_400)) throw usage(probe, `--${name} is a number of seconds`);
    return value * 1000;
  };
  const domainOf = (name: string) => {
    const text = args.text(name);
    const domain = text === undefined ? undefined : parseDomain(text);
    if (text !== undefined && domain === undefined) throw usage(probe, `--${name}: not a domain: "${text}"`);
    return domain;
  };
  const tls = args.text('tls') ?? 'none';
  if (tls !== 'none' && tls !== 'starttls' && tls !== 'implicit')
    throw usage(probe, `--tls: unknown "${tls}"`);
  const deliver = args.text('deliver');
  const address = deliver === undefined ? undefined : parseMailbox(deliver, { smtputf8: false });
  if (deliver !== undefined && address === undefined)
    throw usage(probe, `--deliver: not an address: "${deliver}"`);
  if (address !== undefined && address.localPart.length > 16)
    throw usage(probe, '--deliver: the name is longer than 16');
  if (args.text('listen') !== undefined && address === undefined)
    throw usage(probe, '--listen needs --deliver');
  const helo = domainOf('helo') ?? site.helo;
  return {
    cases: args.has('all') ? unionCases() : classicCases(),
    tls,
    domain: domainOf('domain'),
    helo,
    third: address?.domain ?? helo,
    mailbox: address?.localPart,
    contact: args.text('contact') ?? `postmaster@${helo}`,
    listener: undefined,
    waitMs: seconds('wait', 60),
    replyMs: seconds('timeout', 60),
    pauseMs: 1000,
    secret: randomBytes(32),
    signal,
  };
}

async function listenerOf(args: Arguments, { third, secret }: ProbePlan): Promise<ProbeListener | undefined> {
  const text = args.text('listen');
  if (text === undefined) return undefined;
  const place = placeOf(text);
  const domain = parseDomain(third);
  if (place === undefined || isIP(place.host) === 0 || domain === undefined) {
    throw usage(probe, `--listen: not an address and port: "${text}"`);
  }
  const listener = new ProbeListener(domain, secret);
  try {
    await listener.listen(place);
  } catch (error) {
    throw new CliError(exitCode.osErr, `cannot listen on ${text}: ${String(error)}`, { cause: error });
  }
  return listener;
}

async function find(name: string): Promise<{ readonly address: string; readonly port: number } | undefined> {
  const place = placeOf(name);
  if (place === undefined) return undefined;
  const literal = canonicalIp(place.host);
  if (literal !== undefined) return { address: literal, port: place.port };
  const found = await lookup(place.host).catch(() => undefined);
  return found === undefined ? undefined : { address: found.address, port: place.port };
}

/** `host`, `host:port`, `[2001:db8::1]:port`, `2001:db8::1`. */
function placeOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const { host, port = 25 } = splitHostPort(text) ?? {};
  return host === undefined || !isPort(port) ? undefined : { host, port };
}
