/** Many messages at once: as many come out as went in. */
import assert from 'node:assert/strict';
import { peerTest, run, searchPath, until } from './support.ts';

const ways: Readonly<Record<string, readonly string[]>> = {
  'one message per connection': [],
  'many messages per connection': ['-d'],
  'ten recipients each': ['-d', '-r', '10'],
};

for (const [name, options] of Object.entries(ways)) {
  peerTest(
    `smtp-source's 1,000 messages all reach smtp-sink, once: ${name}`,
    ['root', 'postfix', 'smtp-source', 'smtp-sink'],
    async (peers) => {
      const sink = await peers.sink();
      const posthouse = await peers.posthouse({
        routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }],
      });
      const size = ['-s', '20', '-m', '1000', '-l', '4096', '-N'];
      const addresses = ['-f', 'a@client.test', '-t', 'b@peer.test', '-S', 'volume'];
      const outcome = await run(
        'smtp-source',
        [...size, ...addresses, ...options, `inet:127.0.0.1:${posthouse.port()}`],
        {
          env: { PATH: searchPath() },
        },
      );
      assert.equal(outcome.code, 0, outcome.stderr);
      const captured = await until(
        '1,000 messages',
        async () => {
          const found = await sink.captured();
          return found.length >= 1000 ? found : undefined;
        },
        60_000,
      );
      // Delivered is not enough: let what may come twice come, which is when the queue is empty.
      await until(
        'an empty queue',
        async () =>
          (await posthouse.command('queue', 'list', '--json')).trim().match(/^(?:\[\s*\]|)$/) !== null,
      );
      const recipients = options.includes('-r') ? 10 : 1;
      assert.equal((await sink.captured()).length, 1000);
      assert.equal(
        captured.reduce((sum, one) => sum + one.rcpts.length, 0),
        1000 * recipients,
      );
      assert.equal(
        new Set(
          captured.flatMap((one) =>
            one.rcpts.map((to) => `${to}${/^Received:.*\n.*\bid (\w+)/m.exec(one.message)?.[1]}`),
          ),
        ).size,
        1000 * recipients,
      );
    },
  );
}
