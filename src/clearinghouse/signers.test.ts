import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import type { Resolver } from '../dns/index.ts';
import { createSignedBy } from './signers.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const record = `v=DKIM1; k=rsa; p=${publicKey.export({ format: 'der', type: 'spki' }).toString('base64')}`;
const message = Buffer.from(
  'From: news@shop.test\r\nTo: anna@home.test\r\nSubject: offers\r\n\r\nThis week everything is cheaper.\r\n',
);

async function signed(domain: string, more: { readonly maxBodyLength?: number } = {}): Promise<Buffer> {
  const signer = {
    signingDomain: domain,
    selector: 's1',
    privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    ...more,
  };
  const { signatures } = await dkimSign(message, { ...signer, signatureData: [signer] });
  return Buffer.concat([Buffer.from(signatures), message]);
}

function resolverOf(names: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const lookup = async (name: string) => {
    asked.push(name);
    const text = names[name];
    return text === undefined ? { kind: 'none', reason: 'nxdomain' } : { kind: 'found', records: [[text]] };
  };
  return { asked, resolver: () => ({ lookup }) as unknown as Pick<Resolver, 'lookup'> };
}

const known = { 's1._domainkey.shop.test': record, 's1._domainkey.mail.shop.test': record };
const domains = new Set(['shop.test']);

test('whoever signs for the domain, or one below it, is known by that', async () => {
  const { resolver } = resolverOf(known);
  const isSignedBy = createSignedBy(resolver);
  assert.equal(await isSignedBy(await signed('shop.test'), domains), true);
  assert.equal(await isSignedBy(await signed('mail.shop.test'), domains), true);
});

test('a name alone, another domain, a changed body, a key that is gone: none of them is', async () => {
  const { resolver, asked } = resolverOf(known);
  const isSignedBy = createSignedBy(resolver);
  assert.equal(await isSignedBy(message, domains), false);
  assert.equal(await isSignedBy(await signed('other.test'), domains), false);
  assert.deepEqual(asked, [], 'nobody is asked about what nobody claims');
  const changed = Buffer.concat([await signed('shop.test'), Buffer.from('And buy pills.\r\n')]);
  assert.equal(await isSignedBy(changed, domains), false);
  assert.equal(await createSignedBy(resolverOf({}).resolver)(await signed('shop.test'), domains), false);
  const forged = Buffer.concat([Buffer.from('DKIM-Signature: v=1; d=shop.test; b=x\r\n'), message]);
  assert.equal(await isSignedBy(forged, domains), false);
});

test('a signature of a part of the body is none, for more was put behind it', async () => {
  const { resolver } = resolverOf(known);
  const part = Buffer.concat([
    await signed('shop.test', { maxBodyLength: 10 }),
    Buffer.from('And buy pills.\r\n'),
  ]);
  assert.equal(await createSignedBy(resolver)(part, domains), false);
});

test('a message with a thousand signatures of others asks for the keys of the domain alone, and for five at most', async () => {
  const { resolver, asked } = resolverOf(known);
  const bodyHash = /bh=([^;]+);/.exec((await signed('shop.test')).toString())?.[1];
  const signature = (domain: string, selector: string) =>
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain}; s=${selector}; h=from; bh=${bodyHash}; b=AAAA\r\n`;
  const others = Array.from({ length: 1000 }, (_, n) => signature(`x${n}.other.test`, 's1'));
  const own = Array.from({ length: 50 }, (_, n) => signature('shop.test', `k${n}`));
  const letter = Buffer.concat([Buffer.from([...others, ...own].join('')), message]);
  assert.equal(await createSignedBy(resolver)(letter, domains), false);
  assert.equal(asked.length, 5);
  assert.ok(asked.every((name) => name.endsWith('._domainkey.shop.test')));
  const honest = Buffer.concat([Buffer.from(others.join('')), await signed('shop.test')]);
  assert.equal(await createSignedBy(resolver)(honest, domains), true, 'an honest one among them counts');
});

test('a header that is long, or of very many lines, is not verified at all', async () => {
  const { resolver, asked } = resolverOf(known);
  const isSignedBy = createSignedBy(resolver);
  const whole = await signed('shop.test');
  const signature = whole.subarray(0, whole.length - message.length);
  const headed = (more: string) => Buffer.concat([signature, Buffer.from(more), message]);
  assert.equal(await isSignedBy(headed('A: b\r\n'.repeat(900)), domains), true);
  asked.length = 0;
  assert.equal(await isSignedBy(headed(`A:\r\n${' \r\n'.repeat(80_000)}`), domains), false);
  assert.equal(await isSignedBy(headed('A:\r\n'.repeat(1000)), domains), false);
  assert.equal(await isSignedBy(headed(`A: ${'x'.repeat(70_000)}\r\n`), domains), false);
  assert.deepEqual(asked, []);
});

test('a signature over a long body is read in pieces and holds', async () => {
  const { resolver } = resolverOf(known);
  const signer = {
    signingDomain: 'shop.test',
    selector: 's1',
    privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
  const long = Buffer.concat([message, Buffer.from('offers \r\n'.repeat(50_000))]);
  const { signatures } = await dkimSign(long, { ...signer, signatureData: [signer] });
  const whole = Buffer.concat([Buffer.from(signatures), long]);
  assert.equal(await createSignedBy(resolver)(whole, domains), true);
});
