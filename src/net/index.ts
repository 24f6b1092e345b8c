/**
 * The sockets for incoming connections. A `TcpListener` is bound once, at an address or a unix socket, and served by
 * its present options; `ListenerSet` turns the listeners of one configuration into those of the next; `Admission`
 * counts connections in all and of each client; the header of the PROXY protocol is read and written here.
 *
 * Invariants: a socket whose address stays in the configuration is never closed, so that a reload refuses no
 * connection; a new one is bound before anything changes; connections to a bound listener that is not served yet wait
 * unanswered. The file of a unix socket is removed only when no program answers at it.
 *
 * On failure: binding rejects with the system's error, and nothing else has changed.
 *
 * The PROXY protocol, versions 1 and 2 (haproxy.org).
 */
export { Admission, type AdmissionLimits } from './admission.ts';
export { listenFault } from './listen-fault.ts';
export { type Listener, ListenerSet, type PreparedListeners } from './listener-set.ts';
export {
  type Endpoint,
  encodeProxyHeader,
  type ProxyGreeting,
  type ProxyHeader,
  parseProxyHeader,
  readProxyHeader,
} from './proxy-header.ts';
export { type SocketPath, shortSocketPath } from './socket-path.ts';
export {
  type Conversation,
  type Place,
  placeKey,
  TcpListener,
  type TcpListenerOptions,
} from './tcp-listener.ts';
export { SocketInUse } from './unix-socket.ts';
