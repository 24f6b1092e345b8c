/** The order in which features begin and end, and a reload that is whole or nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindAll, drainAll, type Feature, openAll, prepareAll, together } from './feature.ts';

type Config = Parameters<NonNullable<Feature['open']>>[0];
type Next = Parameters<NonNullable<Feature['reload']>>[0];
/** Nothing of it is looked at. */
const [config, next] = [{} as Config, {} as Next];

function recorder() {
  const done: string[] = [];
  const feature = (name: string, over: Partial<Feature> = {}): Feature => ({
    name,
    bind: async () => void done.push(`bind ${name}`),
    open: () => void done.push(`open ${name}`),
    reload() {
      done.push(`prepare ${name}`);
      return {
        commit: () => void done.push(`commit ${name}`),
        abandon: () => void done.push(`abandon ${name}`),
      };
    },
    drain: () => void done.push(`drain ${name}`),
    ...over,
  });
  return { done, feature };
}

test('a feature that cannot have what a reload asks for keeps all the others from it', async () => {
  const { done, feature } = recorder();
  const picky = feature('d', {
    reload() {
      throw new Error('no such account');
    },
  });
  const features = [feature('a'), together(feature('b'), feature('c')), picky, feature('e')];
  await assert.rejects(prepareAll(features, next), /no such account/);
  assert.deepEqual(done, ['prepare a', 'prepare b', 'prepare c', 'abandon c', 'abandon b', 'abandon a']);
});

test('a reload is prepared by all before it is taken over by the first', async () => {
  const { done, feature } = recorder();
  const prepared = await prepareAll([feature('a'), { name: 'b' }, feature('c')], next);
  assert.deepEqual(done.splice(0), ['prepare a', 'prepare c']);
  prepared.commit();
  assert.deepEqual(done, ['commit a', 'commit c']);
});

test('what needs privileges comes before everything else, and the last that was opened ends first', async () => {
  const { done, feature } = recorder();
  const features = [feature('a'), { name: 'b' }, feature('c')];
  await bindAll(features, config);
  await openAll(features, config);
  await drainAll(features, AbortSignal.abort());
  assert.deepEqual(done, ['bind a', 'bind c', 'open a', 'open c', 'drain c', 'drain a']);
});

test('a feature that does not open keeps those after it from opening', async () => {
  const { done, feature } = recorder();
  const broken = feature('b', { open: () => Promise.reject(new Error('in use')) });
  await assert.rejects(openAll([feature('a'), broken, feature('c')], config), /in use/);
  assert.deepEqual(done, ['open a']);
});

test('of two that end together neither waits for the clients of the other', async () => {
  const { done, feature } = recorder();
  const slow = Promise.withResolvers<void>();
  const drained = drainAll(
    [feature('a'), together(feature('b', { drain: () => slow.promise }), feature('c'))],
    AbortSignal.abort(),
  );
  assert.deepEqual(done, ['drain c']);
  slow.resolve();
  await drained;
  assert.deepEqual(done, ['drain c', 'drain a']);
});
