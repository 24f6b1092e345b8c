/**
 * POP before SMTP: POP3 logins that open a relay window for the address of the client.
 *
 * There are two kinds of listeners. The proxy stands in front of an existing POP3 server: it reads just enough of both
 * directions to recognise a successful login, and passes everything else on unchanged. The embedded server serves the
 * Maildirs that this relay delivers to. Both have the same front: PROXY protocol, STLS or TLS from the first octet,
 * limits and deadlines.
 *
 * Invariants: only a server's `+OK` to the last command of a login opens a window, never a claim of the client; TLS
 * ends here, so the offered capabilities are those of the proxy; no password goes in clear unless the listener allows
 * it on loopback; octets that wait for a slow side are bounded.
 *
 * On failure: a server that stalls, sends nonsense or leaves causes `-ERR [SYS/TEMP]` and no window. A window that
 * cannot be written to disk is not opened, and the login succeeds nevertheless: users read their mail.
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
