/**
 * POP before SMTP: POP3 logins that open a relay window for the address of the client.
 *
 * There are two kinds of listeners. The proxy stands in front of an existing POP3 server: it reads just enough of
 * both directions to know that a login succeeded, and passes everything else on as it is. The embedded server
 * serves the Maildirs that this relay delivers to. Both have the same front: PROXY protocol, STLS or TLS from the
 * first octet, limits and deadlines.
 *
 * Invariants: a window is opened only by a server's `+OK` to the last word of a login that was asked for, never by
 * anything a client says; TLS ends here, so what is offered is what is true; no password goes in clear unless the
 * listener allows it on loopback; what waits for a slow side is bounded.
 *
 * On failure: a server that stalls, talks nonsense or leaves gives `-ERR [SYS/TEMP]` and no window. A window that
 * cannot be kept on disk is not opened, and the login succeeds nevertheless: people read their mail.
 *
 * RFC 1939 (POP3), 2449 (CAPA), 2595 and 8314 (STLS, TLS), 3206 (SYS, AUTH), 5034 (AUTH), the PROXY protocol 1, 2.
 */

export { PopConnection, type PopConnectionFacts } from './connection.ts';
export { type Pop3Events, pop3Events } from './events.ts';
export { PopListener, type PopListenerOptions } from './listener.ts';
export { mailboxOf, type PopConfig, PopListeners } from './listeners.ts';
export { Mailboxes } from './mailbox.ts';
export { defaultPopLimits, type PopLimits, type PopUpstream } from './options.ts';
export { type PopProxyOptions, type ProxyLogin, serveProxy } from './proxy.ts';
export { servePop3 } from './server.ts';
export {
  defaultPopSessionLimits,
  type PopServerOptions,
  type PopSessionLimits,
  type PopWire,
} from './session-options.ts';
