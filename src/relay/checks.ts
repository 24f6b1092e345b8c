import { type Account, findAccount, UnknownAccountError } from '../base/index.ts';
import type { Config, ConfigCheck } from '../config/index.ts';
import { compileRules, routeWarnings } from '../delivery/index.ts';
import { guardProblems } from '../guard/index.ts';
import { recipientFaults } from '../policy/index.ts';
import { type RelayWarning, relayWarnings } from './relay-warnings.ts';
import { recipientOptions, routingOptions } from './settings.ts';

type Finding = ReturnType<ConfigCheck>[number];

/** What the configuration by itself cannot judge: whether routes can be used, and who exists on this machine. */
export const configChecks: readonly ConfigCheck[] = [
  (config) => compileRules(routingOptions(config)).problems,
  guardProblems,
  accountProblems,
  recipientProblems,
];

/** Aliases, catch-alls and a postmaster that lead to nobody, or in a circle. */
function recipientProblems(config: Config): readonly Finding[] {
  return recipientFaults(recipientOptions(config)).map(({ domain, key, because }) => {
    if (domain === undefined) return { path: key, message: because };
    const index = config.domains.findIndex(({ name }) => name === domain);
    return { path: `domains[${index}].${key}`, message: because };
  });
}

/** What works and is perhaps not meant: `check` and the log of a start say it. */
export function configWarnings(config: Config): readonly RelayWarning[] {
  return [...routeWarnings(config.routes), ...relayWarnings(config)];
}

function accountProblems({ user, domains }: Config): readonly Finding[] {
  const findings: Finding[] = [];
  const find = (path: string, name: string | undefined): Account | undefined => {
    if (name === undefined) return undefined;
    try {
      return findAccount(name);
    } catch (error) {
      if (!(error instanceof UnknownAccountError)) throw error;
      findings.push({ path, message: error.message });
      return undefined;
    }
  };
  const relay = find('user', user);
  for (const [index, domain] of domains.entries()) {
    const path = `domains[${index}].owner`;
    const owner = find(path, domain.owner);
    if (owner === undefined || relay === undefined) continue;
    // Privileges are given up for good, and with them the right to give files away.
    if (owner.uid !== relay.uid || owner.gid !== relay.gid) {
      findings.push({ path, message: `once the relay has become "${user}" it can write as nobody else` });
    }
  }
  return findings;
}
