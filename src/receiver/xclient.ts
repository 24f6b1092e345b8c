/** The command XCLIENT. */
import { canonicalIp } from '../base/index.ts';
import { reply } from '../mail/index.ts';
import type { Dialogue, Step } from './dialogue.ts';
import { greet } from './hello.ts';
import { logRefusal } from './refusal.ts';

const refused = reply(550, '7.0', 'not authorised to say for whom you speak');
const noAddress = reply(550, '7.0', 'a client without an address is not served');
const badAttribute = reply(501, '5.4', 'an XCLIENT attribute that is not offered');
const badAddress = reply(501, '5.4', 'bad value of an XCLIENT attribute');
const notNow = reply(503, '5.1', 'XCLIENT is not possible now');

/** Values that say "there is none". */
const unavailable: ReadonlySet<string> = new Set(['[UNAVAILABLE]', '[TEMPUNAVAIL]']);

/**
 * XCLIENT, as Postfix documents it: a proxy on the list says who the client really is. The session begins
 * anew with a 220; nothing that was known of the proxy is kept for the client, its TLS and certificate included.
 * Sessions are counted for the client's address from then on. PROTO and HELO are taken and
 * change nothing, because the client's own EHLO or HELO has to follow.
 */
export function xclient(dialogue: Dialogue, attributes: ReadonlyMap<string, string>): Step {
  dialogue.adopt();
  if (!dialogue.mayXclient) {
    logRefusal(dialogue, { stage: 'xclient', reply: refused });
    return refused;
  }
  if (dialogue.hasBufferedInput) return notNow;
  // A LOGIN that was passed over would leave the proxy in the belief that its client is known here.
  const offered = dialogue.extensions.xclient ?? [];
  if (!attributes.keys().every((name) => offered.includes(name))) return badAttribute;
  const stated = (name: string): string | undefined => {
    const value = attributes.get(name);
    return value === undefined || unavailable.has(value.toUpperCase()) ? undefined : value;
  };
  const addr = stated('ADDR');
  // Without an address of its own the client would be taken for the proxy, which may relay; also by a proxy that does
  // not look at this reply.
  if (addr === undefined && attributes.has('ADDR')) {
    dialogue.impersonate({});
    logRefusal(dialogue, { stage: 'xclient', reply: noAddress });
    return noAddress;
  }
  const address = addr === undefined ? undefined : canonicalIp(addr.replace(/^IPV6:/i, ''));
  const port = stated('PORT');
  const isPort = port === undefined || (/^\d{1,5}$/.test(port) && Number(port) <= 65535);
  if ((addr !== undefined && address === undefined) || !isPort) return badAddress;
  const name = stated('NAME');
  const turnedAway = dialogue.impersonate({
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(name !== undefined && /^[A-Za-z0-9.-]{1,255}$/.test(name) ? { name } : {}),
  });
  if (turnedAway !== undefined) {
    logRefusal(dialogue, { stage: 'xclient', reply: turnedAway });
    return turnedAway;
  }
  return greet(dialogue);
}
