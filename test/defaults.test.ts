import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultTimeouts } from '../src/client/index.ts';
import { type Config, loadConfig } from '../src/config/index.ts';
import { defaultCapture, defaultLimits as defaultDeliveryLimits } from '../src/delivery/index.ts';
import { defaultTimeoutMs } from '../src/dns/index.ts';
import { maxReturnedBytes } from '../src/dsn/index.ts';
import { defaultGuard } from '../src/guard/index.ts';
import { defaultLanes, defaultRetry } from '../src/queue/index.ts';
import { defaultLimits } from '../src/receiver/index.ts';
import { defaultFloorBytes } from '../src/spool/index.ts';
import { defaultTrap } from '../src/trap/index.ts';

// The schema writes the defaults of the modules as people do (`5m`): what is read again is what they were.

function defaults(): Config {
  const result = loadConfig('', { file: '/posthouse.yaml', env: { hostname: 'relay.example' } });
  assert.ok(result.ok);
  return result.config;
}

test('the defaults of the configuration are those of the modules', () => {
  const { capture, delivery, dns, limits, notifications, queue, spool, trap } = defaults();
  assert.deepEqual(limits, defaultLimits);
  assert.deepEqual(queue, { retry: defaultRetry, lanes: defaultLanes });
  assert.deepEqual(delivery.limits, defaultDeliveryLimits);
  assert.deepEqual(delivery.timeouts, defaultTimeouts);
  assert.equal(dns.timeoutMs, defaultTimeoutMs);
  assert.equal(notifications.maxReturnedBytes, maxReturnedBytes);
  assert.equal(spool.floorBytes, defaultFloorBytes);
  assert.deepEqual({ maxMessages: capture.maxMessages, maxBytes: capture.maxBytes }, defaultCapture);
  const { folder: _, ...trapBounds } = trap;
  assert.deepEqual(trapBounds, defaultTrap);
});

test('the budgets of the configuration are those that the guard is tested with', () => {
  assert.deepEqual(defaults().guard, defaultGuard);
});

test('nobody is waited for less long than RFC 5321 §4.5.3.2 asks, and no less is taken than §4.5.3.1 does', () => {
  const { delivery, limits } = defaults();
  const minute = 60_000;
  const { greeting, mail, rcpt, dataInit, dataBlock, dataDone } = delivery.timeouts;
  assert.ok(Math.min(greeting, mail, rcpt) >= 5 * minute);
  assert.ok(dataInit >= 2 * minute);
  assert.ok(dataBlock >= 3 * minute);
  assert.ok(dataDone >= 10 * minute);
  assert.ok(limits.idleMs >= 5 * minute);
  assert.ok(limits.recipients >= 100);
  assert.ok(limits.messageBytes >= 64 * 1024);
});

test('nobody is told of delays, and nobody may relay, unless the configuration says so', () => {
  const { queue, relay, domains, xclientFrom } = defaults();
  assert.equal(queue.retry.warnAfterMs, 0);
  assert.deepEqual([relay.networks, domains, xclientFrom], [[], [], []]);
});
