/** Tests that the first half of a reload changes nothing, for it may never come to the second. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResolver } from '../dns/index.ts';
import { createDelivery } from './index.ts';

test('a reload that is prepared and given up leaves the capture inbox and the routes as they were', async () => {
  await using resolver = createResolver({ servers: ['127.0.0.1:9'] });
  const options = { hostname: 'relay.test', capture: { folder: '/nowhere' } };
  await using delivery = createDelivery(options, { resolver });
  const { capture, generation } = delivery;
  assert.notEqual(capture, undefined);
  const commit = delivery.prepare({ ...options, capture: { folder: '/elsewhere' } });
  assert.deepEqual([delivery.capture === capture, delivery.generation], [true, generation]);
  commit();
  assert.deepEqual([delivery.capture === capture, delivery.generation], [false, generation + 1]);
  const second = delivery.capture;
  delivery.prepare({ ...options, capture: { folder: '/nowhere' } });
  delivery.prepare({ ...options, capture: { folder: '/elsewhere' } })();
  assert.equal(delivery.capture, second, 'one folder keeps one inbox');
});
