/** Checks of a configuration that need the routes, the policy and the machine. */
import { type Account, findAccount, IpSet, readOwnNetwork, UnknownAccountError } from '../base/index.ts';
import { type Config, type ConfigCheck, type Warning, warningsOf } from '../config/index.ts';
import { compileRules, routeWarnings } from '../delivery/index.ts';
import { recipientFaults, untruthOf } from '../policy/index.ts';
import { recipientOptions, routingOptions } from './settings.ts';

type Finding = ReturnType<ConfigCheck>[number];

/** Checks that the configuration cannot make by itself: whether routes are usable, and whether accounts exist. */
export const configChecks: readonly ConfigCheck[] = [
  (config) => compileRules(routingOptions(config)).problems,
  accountProblems,
  recipientProblems,
];

/** Aliases, catch-alls and a postmaster that lead to an unknown recipient, or in a circle. */
function recipientProblems(config: Config): readonly Finding[] {
  return recipientFaults(recipientOptions(config)).map(({ domain, key, because }) => {
    if (domain === undefined) return { path: key, message: because };
    const index = config.domains.findIndex(({ name }) => name === domain);
    return { path: `domains[${index}].${key}`, message: because };
  });
}

/** Warnings about valid settings that may be mistakes; `check` prints them, and a start logs them. */
export function configWarnings(config: Config, own = readOwnNetwork()): readonly Warning[] {
  return [...routeWarnings(config.routes), ...sharedWarnings(config, own), ...warningsOf(config)];
}

/** Addresses that are trusted by the networks, and cannot be a client's own. */
function sharedWarnings(
  { relay, listeners }: Config,
  own: ReturnType<typeof readOwnNetwork>,
): readonly Warning[] {
  const trusted = new IpSet([...relay.networks, ...listeners.flatMap(({ networks }) => networks)]);
  return [...own]
    .filter(([address]) => trusted.has(address))
    .map(([address, kind]) => {
      const { because, remedy } = untruthOf(kind);
      return { path: 'relay.networks', message: `${address} gives no grant: it is ${because} (${remedy})` };
    });
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
