/** `posthouse check`. */
import { formatHostPort } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { configChecks, configWarnings } from '../relay/index.ts';
import type { Command } from './command.ts';
import { ConfigProblems, configOption, findConfigFile, loadConfiguration } from './configuration.ts';
import { exitCode } from './exit-code.ts';
import { jsonLine } from './io.ts';

/** `posthouse check`. */
export const check: Command = {
  name: 'check',
  synopsis: '',
  summary: 'Validate the configuration: every problem with its file and line, or a summary.',
  options: { ...configOption, json: { help: 'the result as one JSON object' } },
  notes: 'Exit 0 when the configuration is good, 78 when it is not.',
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const file = findConfigFile(io, args.text('config'));
    try {
      const config = loadConfiguration(io, file, configChecks);
      const summary = summaryOf(config);
      const warnings = configWarnings(config).map(({ path, message }) => `${path}: ${message}`);
      if (args.has('json')) await io.out(jsonLine({ ok: true, file, ...summary, warnings }));
      else {
        const told = warnings.map((warning) => `warning: ${warning}\n`).join('');
        await io.out(`configuration is good: ${file ?? 'local profile'}\n${formatSummary(summary)}${told}`);
      }
      return exitCode.ok;
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
      const { problems } = error;
      if (args.has('json')) await io.out(jsonLine({ ok: false, file, problems }));
      else await io.out(`${problems.join('\n')}\n`);
      return exitCode.config;
    }
  },
};

/** The main facts of a configuration, as `posthouse check` prints them. */
function summaryOf(config: Config) {
  return {
    hostname: config.hostname,
    data: config.data,
    listeners: config.listeners.map(({ role, host, port }) => `${role} ${formatHostPort(host, port)}`),
    domains: config.domains.map(({ name }) => name),
    networks: config.relay.networks.map(({ address, prefix }) => `${address}/${prefix}`),
    grounds: groundsOf(config),
    routes: config.routes.length,
  };
}

/** The clients that may relay to any domain, in the order of the rules. */
function groundsOf({ relay, listeners, users }: Config): readonly string[] {
  const cidr = ({ address, prefix }: { readonly address: string; readonly prefix: number }) =>
    `${address}/${prefix}`;
  const ofListeners = listeners.flatMap((listener) => {
    const places = [
      ...listener.networks.map(cidr),
      ...(listener.interface === undefined ? [] : [listener.interface]),
    ];
    return places.length === 0 ? [] : [`${places.join(' ')} on ${listener.name}`];
  });
  return [
    ...(relay.open ? ['EVERYBODY (relay.open)'] : []),
    ...(relay.authenticated && users !== undefined ? ['users who log in'] : []),
    ...relay.certificates.map(({ name }) => `the certificate of ${name}`),
    ...(relay.clientAuthorities.length > 0 ? ['certificates of our authorities'] : []),
    ...relay.networks.map(cidr),
    ...ofListeners,
  ];
}

function formatSummary({
  hostname,
  data,
  listeners,
  domains,
  grounds,
  routes,
}: ReturnType<typeof summaryOf>): string {
  const rows: [string, string][] = [
    ['hostname', hostname],
    ['data', data],
    ['listeners', listeners.join(', ') || 'none'],
    ['our domains', domains.join(', ') || 'none'],
    ['may relay', grounds.join(', ') || 'nobody'],
    ['routes', routes === 0 ? 'by MX' : `${routes}, then by MX`],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(11)}  ${value}\n`).join('');
}
