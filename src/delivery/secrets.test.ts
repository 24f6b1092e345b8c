import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryLog } from '../base/index.ts';
import { createResolver } from '../dns/index.ts';
import { laneName } from '../mail/index.ts';
import { createDelivery, type DeliveryRoute } from './index.ts';
import { attemptFor, type SinkOptions, sinkCertificate } from './testing.ts';
import { fates, never, sinkFor, text, to, tokenEndpoint } from './testing-bench.ts';

const password = 'pässword of 7 words';
const base64 = (plain: string) => Buffer.from(plain).toString('base64');

/** All that is kept of an attempt over a smart host: statuses, health, troubles and the log. */
async function kept(
  t: Parameters<typeof sinkFor>[0],
  sinkOptions: SinkOptions,
  route: Partial<DeliveryRoute>,
): Promise<string> {
  const sink = await sinkFor(t, { tls: 'implicit', ...sinkOptions });
  const via = `smtps://me@127.0.0.1:${sink.port}`;
  const log = memoryLog();
  const resolver = createResolver({ servers: ['127.0.0.1:9'] });
  const routes = [{ via, ca: sinkCertificate, verify: false, ...route }];
  const delivery = createDelivery({ hostname: 'relay.test', routes }, { resolver, log });
  const attempt = attemptFor(text, to);
  const lane = delivery.assignLanes(attempt.envelope)[0]?.lane ?? '';
  const result = await delivery.deliver({ ...attempt, lane: laneName(lane) }, never);
  const again = await delivery.deliver({ ...attempt, lane: laneName(lane) }, never);
  assert.ok(
    [...fates(result), ...fates(again)].every((fate) => fate.startsWith('pending')),
    fates(result).join(),
  );
  const words = JSON.stringify([
    [...result.statuses],
    result.health,
    [...again.statuses],
    delivery.tend(),
    log.lines,
  ]);
  await delivery[Symbol.asyncDispose]();
  await resolver[Symbol.asyncDispose]();
  assert.match(words, /said: /);
  return words;
}

/** Repeats the text that it was sent. */
function echoing(keyword: string, verbs: readonly string[], code = '535'): SinkOptions {
  let told = '';
  return {
    keywords: ['PIPELINING', keyword],
    answer: (command) => {
      const verb = command.split(' ', 1)[0] ?? '';
      if (verb === 'AUTH' || /^[A-Za-z0-9+/=]{8,}$/.test(command)) told += `${command} `;
      if (!verbs.includes(verb)) return undefined;
      const plain = Buffer.from(told.trim().split(' ').at(-1) ?? '', 'base64')
        .toString()
        .replace(/\p{Cc}/gu, ' ');
      return `${code}-said: ${told}\r\n${code} said: ${plain}`;
    },
  };
}

test('a smart host that says the password again puts it into no reply, log or alarm', async (t) => {
  const forms = [password, password.slice(0, 12), base64(`\0me\0${password}`), base64(password).slice(0, 16)];
  for (const [keyword, verbs, code] of [
    ['AUTH PLAIN', ['AUTH'], '535'],
    ['AUTH PLAIN', ['AUTH'], '454'],
    ['AUTH PLAIN', ['AUTH'], '421'],
    // After the login too, in every refusal.
    ['AUTH PLAIN', ['MAIL'], '451'],
    ['AUTH PLAIN', ['RCPT'], '450'],
    ['AUTH PLAIN', ['DATA'], '421'],
  ] as const) {
    const words = await kept(t, echoing(keyword, verbs, code), { password });
    for (const form of forms) assert.ok(!words.includes(form), `${verbs} ${code}: ${words}`);
  }
});

test('nor the parts of AUTH LOGIN', async (t) => {
  const sink = echoing('AUTH LOGIN', [], '535');
  let said = 0;
  const words = await kept(
    t,
    {
      ...sink,
      answer: (command) => {
        if (command === 'AUTH LOGIN') return '334 VXNlcm5hbWU6';
        if (command === base64('me')) return '334 UGFzc3dvcmQ6';
        if (command !== base64(password)) return undefined;
        return `535 said: ${said++ === 0 ? command : Buffer.from(command, 'base64').toString()}`;
      },
    },
    { password },
  );
  for (const form of [password, base64(password)]) assert.ok(!words.includes(form), words);
});

test('nor a token, by either of its mechanisms', async (t) => {
  for (const mechanism of ['xoauth2', 'oauthbearer'] as const) {
    const endpoint = await tokenEndpoint(t);
    const { url } = endpoint;
    // Long enough to be one.
    endpoint.refusal = {
      status: 200,
      body: { access_token: 'ya29.a0AfH6SMBx-token-of-the-relay', expires_in: 3600 },
    };
    const account = { tokenUrl: url, clientId: 'relay', clientSecret: 'hush' };
    const oauth = { ...account, grant: 'client-credentials', mechanism } as const;
    const words = await kept(t, echoing(`AUTH ${mechanism.toUpperCase()}`, ['AUTH']), { oauth });
    assert.ok(!words.includes('AfH6SMBx') && !words.includes(base64('ya29.a0AfH6SM').slice(4, 12)), words);
  }
});
