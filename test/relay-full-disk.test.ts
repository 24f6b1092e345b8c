import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../src/base/index.ts';
import { dispatch } from '../src/cli/dispatch.ts';
import { fakeIo } from '../src/cli/testing.ts';
import { startSink } from '../src/delivery/testing.ts';
import { endings, openRelay, recorded } from './support/relay.ts';

test('a bounce tells the sender the reason; on a full disk it changes nothing and is 75', async (t) => {
  let isUp = false;
  const sink = await startSink({
    answer: (command) => (!isUp && command.startsWith('RCPT') ? '451 4.2.1 later' : undefined),
  });
  endings(t).use(sink);
  const clock = manualClock();
  let freeBytes = 10_000_000;
  const keys = {
    routes: { via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' },
    spool: { floor: '1MB' },
  };
  const relay = await openRelay(t, keys, { clock, freeBytes: () => freeBytes });
  await relay.send({ to: 'ann@x.test' });
  await relay.log.logged('deferred');
  await recorded(relay);
  const bounce = async () => {
    const io = fakeIo({ folder: relay.folder });
    const argv = ['queue', 'bounce', '--all', '--because', 'too\nlate', '--data', relay.folder];
    return { code: await dispatch(argv, io), ...io.text };
  };
  freeBytes = 100_000;
  clock.advance(10_000);
  const refused = await bounce();
  assert.deepEqual([refused.code, refused.out], [75, '']);
  assert.match(refused.err, /^posthouse: no space left for this change: /);
  assert.equal(relay.log.lines.filter(({ event }) => event === 'bounced').length, 0);
  freeBytes = 10_000_000;
  isUp = true;
  clock.advance(10_000);
  assert.equal((await bounce()).code, 0);
  await relay.log.logged('bounce-sent');
  await relay.log.logged('removed', {}, 2);
  assert.match(
    sink.messages[0]?.octets.toString() ?? '',
    /Diagnostic-Code: X-Posthouse; 550 5\.7\.0 [^;]*: too late\r\n/,
  );
});
