import type { Config } from '../config/index.ts';
import { configChecks, configWarnings } from '../relay/index.ts';
import type { Command } from './command.ts';
import { ConfigProblems, configOption, findConfigFile, loadConfiguration } from './configuration.ts';
import { exitCode } from './exit-code.ts';

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
      if (args.has('json')) await io.out(`${JSON.stringify({ ok: true, file, ...summary, warnings })}\n`);
      else {
        const told = warnings.map((warning) => `warning: ${warning}\n`).join('');
        await io.out(`configuration is good: ${file ?? 'local profile'}\n${formatSummary(summary)}${told}`);
      }
      return exitCode.ok;
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
      const { problems } = error;
      if (args.has('json')) await io.out(`${JSON.stringify({ ok: false, file, problems })}\n`);
      else await io.out(`${problems.join('\n')}\n`);
      return exitCode.config;
    }
  },
};

/** What the relay would do, in a few facts. */
function summaryOf(config: Config) {
  return {
    hostname: config.hostname,
    data: config.data,
    listeners: config.listeners.map(({ role, host, port }) => `${role} ${formatAddress(host, port)}`),
    domains: config.domains.map(({ name }) => name),
    networks: config.relay.networks.map(({ address, prefix }) => `${address}/${prefix}`),
    routes: config.routes.length,
  };
}

function formatSummary({
  hostname,
  data,
  listeners,
  domains,
  networks,
  routes,
}: ReturnType<typeof summaryOf>): string {
  const rows: [string, string][] = [
    ['hostname', hostname],
    ['data', data],
    ['listeners', listeners.join(', ') || 'none'],
    ['our domains', domains.join(', ') || 'none'],
    ['may relay', networks.join(', ') || 'nobody'],
    ['routes', routes === 0 ? 'by MX' : `${routes}, then by MX`],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(11)}  ${value}\n`).join('');
}

function formatAddress(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
