import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './index.ts';

/** Paths may have line ends, and the parser of URLs takes them out. */
const withLineEnds: ReadonlySet<string> = new Set(['a socket', 'a folder', 'an issuer']);

/** Each of these is passed to the system or to the DNS, which may cut it at a NUL. */
const places: Readonly<Record<string, string>> = {
  'a POP3 server':
    'pop3: {listeners: [{address: "127.0.0.1:110", plaintext: loopback, via: {server: "pop3://HOST"}}]}',
  'a destination': 'domains: [{name: a.example, deliver: "smtp://HOST"}]',
  'a smart host': 'routes: [{to: any, via: "smtp://HOST"}]',
  'a domain': 'domains: [{name: "HOST", deliver: capture}]',
  'our own name': 'hostname: "HOST"',
  'a Dovecot': 'users: {dovecot: {socket: "HOST:12345"}}',
  'a socket': 'users: {dovecot: {socket: "/run/HOST"}}',
  'a resolver': 'dns: {servers: ["HOST"]}',
  'an issuer': 'users: {oauth: {issuer: "https://x.example", jwks: "https://HOST/keys"}}',
  'a folder': 'data: "/tmp/HOST"',
};

for (const [what, text] of Object.entries(places))
  for (const host of ['good.example\\0.evil.test', 'good.example\\r\\nQUIT']) {
    if (host.includes('\\r') && withLineEnds.has(what)) continue;
    test(`a NUL or a line end is part of no name in the configuration: ${what}, ${host}`, () => {
      const options = { file: '/x.yaml', env: { hostname: 'relay.example' } };
      const loaded = loadConfig(text.replace('HOST', host), options);
      assert.ok(!loaded.ok && loaded.problems.length > 0);
    });
  }
