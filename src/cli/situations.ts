/** The situations that `docs/explain.md` shows. */
import { selfSigned } from '../base/index.ts';
import { loadConfig } from '../config/index.ts';
import { parsePattern } from '../mail/index.ts';
import type { Question } from '../relay/commands.ts';
import { type ExplainFacts, explainConfig } from '../relay/index.ts';
import { format } from './explain.ts';

/** The situations that `docs/explain.md` shows. Everything under them is printed by the rules themselves. */

const configuration = `hostname: relay.example.org
tls: { cert: fullchain.pem, key: privkey.pem }
users: { file: users.yaml }
listeners:
  - { name: mx,         role: mx,         address: "0.0.0.0:25" }
  - { name: submission, role: submission, address: "0.0.0.0:587" }
  - { name: vpn,        role: internal,   address: "10.8.0.1:25", networks: ["10.8.0.0/24"] }
  - { name: behind-lb,  role: mx,         address: "10.0.0.5:25", proxyProtocolFrom: ["10.0.0.2/32"] }
domains:
  - { name: example.org, deliver: "lmtp://127.0.0.1:24", recipients: [anna, bob] }
  - { name: example.net, backup: true }
relay:
  networks: ["10.0.0.0/24", "172.22.1.0/24"]
  authenticated: true
  popBeforeSmtp: { window: 20m }
  certificates: [{ fingerprint: "sha256:${'ab'.repeat(32)}", name: fax, senders: "fax@example.org" }]
pop3:
  listeners: [{ address: "0.0.0.0:110", via: { server: "pop3://127.0.0.1:1110" } }]
routes:
  - { to: "*", via: mx }
`;

/** The surroundings of that relay: its gateway, a user, an open window. */
const facts: ExplainFacts = {
  verify: async () => 'unavailable',
  untruth: (address) =>
    address === '172.22.1.1'
      ? {
          because: 'our default gateway: every client behind it may appear with its address',
          remedy: 'let the host there send the PROXY protocol or XCLIENT, or let clients log in',
        }
      : undefined,
  interfaceHas: () => false,
  window: (address) =>
    address === '198.51.100.77'
      ? {
          names: ['bob@example.org'],
          source: 'pop3',
          expiresAt: Date.UTC(2026, 0, 1, 12, 20),
          needsAuth: false,
        }
      : undefined,
  identityOf: (name) => {
    const senders = parsePattern(`${name}@example.org`);
    return senders && { name, mechanism: 'SCRAM-SHA-256', senders: [senders] };
  },
};

interface Situation {
  readonly title: string;
  readonly question: Partial<Question> & Pick<Question, 'client' | 'to'>;
}

export const situations: readonly Situation[] = [
  {
    title: 'A stranger writes to one of our users',
    question: { client: '203.0.113.9', from: 'eve@elsewhere.example', to: 'anna@example.org' },
  },
  {
    title: 'A stranger wants to send through us',
    question: { client: '203.0.113.9', from: 'anna@example.org', to: 'victim@elsewhere.example' },
  },
  {
    title: 'A stranger hides a route in an address of ours',
    question: {
      client: '203.0.113.9',
      from: 'eve@elsewhere.example',
      to: 'victim%elsewhere.example@example.org',
    },
  },
  {
    title: 'A stranger writes to a domain that we are a backup of',
    question: { client: '203.0.113.9', from: 'eve@elsewhere.example', to: 'carl@example.net' },
  },
  {
    title: 'A machine in our network sends',
    question: { client: '10.0.0.17', from: 'printer@example.org', to: 'u@elsewhere.example' },
  },
  {
    title: 'Everybody seems to be at our own gateway (a container behind address translation)',
    question: { client: '172.22.1.1', from: 'eve@elsewhere.example', to: 'victim@elsewhere.example' },
  },
  {
    title: 'A load balancer of ours does not say for whom it speaks',
    question: {
      client: '10.0.0.2',
      listener: 'behind-lb',
      from: 'eve@elsewhere.example',
      to: 'victim@elsewhere.example',
    },
  },
  {
    title: 'Somebody on the submission port has not logged in',
    question: {
      client: '10.0.0.17',
      listener: 'submission',
      tls: true,
      from: 'anna@example.org',
      to: 'bob@example.org',
    },
  },
  {
    title: 'A user who logged in sends from anywhere',
    question: {
      client: '203.0.113.9',
      listener: 'submission',
      tls: true,
      user: 'anna',
      from: 'anna@example.org',
      to: 'u@elsewhere.example',
    },
  },
  {
    title: 'A user who logged in sends as somebody else',
    question: {
      client: '203.0.113.9',
      listener: 'submission',
      tls: true,
      user: 'anna',
      from: 'bob@example.org',
      to: 'u@elsewhere.example',
    },
  },
  {
    title: 'A device shows its certificate',
    question: {
      client: '203.0.113.9',
      tls: true,
      certificate: `sha256:${'ab'.repeat(32)}`,
      from: 'fax@example.org',
      to: 'u@elsewhere.example',
    },
  },
  {
    title: 'A user read mail from that address a moment ago (POP before SMTP)',
    question: { client: '198.51.100.77', from: 'bob@example.org', to: 'u@elsewhere.example' },
  },
  {
    title: 'A laptop comes in through the VPN',
    question: { client: '10.8.0.7', listener: 'vpn', from: 'anna@example.org', to: 'u@elsewhere.example' },
  },
];

/** `docs/explain.md`. */
export async function situationsMarkdown(): Promise<string> {
  const pair = selfSigned('relay.example.org');
  const read = (path: string) => (path.endsWith('privkey.pem') ? pair.key : pair.cert);
  const loaded = loadConfig(configuration, { file: '/etc/posthouse/posthouse.yaml', env: { read } });
  if (!loaded.ok) throw new Error(`the example does not load: ${JSON.stringify(loaded.problems)}`);
  const parts: string[] = [];
  for (const { title, question: asked } of situations) {
    const question: Question = { from: '', tls: false, isVouchedFor: false, ...asked };
    const answer = await explainConfig(loaded.config, facts, question);
    parts.push(`## ${title}\n\n\`\`\`\n$ ${commandOf(question)}\n${format(question, answer)}\`\`\`\n`);
  }
  return `${head}\n\`\`\`yaml\n${configuration}\`\`\`\n\n${parts.join('\n')}`;
}

const head = `# Who may relay, explained

This page is printed by \`npm run docs\`; do not edit it.

\`posthouse explain\` asks the rules that decide every session. It shows each of them in order, what it looked at,
and marks the one that decided with an arrow; what stands below the arrow is what would have been found. The answers
below are for this configuration, on a machine whose default gateway is 172.22.1.1:
`;

function commandOf(question: Question): string {
  const words = [`--client ${question.client}`];
  if (question.listener !== undefined) words.push(`--listener ${question.listener}`);
  if (question.tls) words.push('--tls');
  if (question.certificate !== undefined) words.push('--certificate sha256:abab…');
  if (question.user !== undefined) words.push(`--user ${question.user}`);
  words.push(`--from ${question.from}`, `--to ${question.to}`);
  return `posthouse explain ${words.join(' ')}`;
}
