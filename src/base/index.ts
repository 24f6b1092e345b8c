/**
 * The foundation of all other folders, without mail: clock, log, background work, IP addresses, hosts with ports,
 * back-off, harmless text, work in slices, accounts and certificates of the system.
 */

export { type Account, dropPrivileges, findAccount, UnknownAccountError, userName } from './accounts.ts';
export { type BackOff, backOff } from './back-off.ts';
export { Background } from './background.ts';
export { certificateNameFault } from './certificate-name.ts';
export { type Clock, type ManualClock, manualClock, systemClock } from './clock.ts';
export { DueHeap } from './due-heap.ts';
export type { AnyEvent, EventsOf, EventTable, Line, LineSubject, LogFields } from './event-table.ts';
export { type BaseEvents, baseEvents } from './events.ts';
export { Fifo } from './fifo.ts';
export { Gathered } from './gathered.ts';
export { formatHostPort, type HostPort, isPort, splitHostPort } from './host-port.ts';
export { blockOf, type Cidr, canonicalIp, IpSet, isLoopback, octetsOf, parseCidr } from './ip.ts';
export { type Log, memoryLog, silentLog } from './log.ts';
export { LogHub, type Subscribable } from './log-hub.ts';
export type { LogRecord } from './log-pretty.ts';
export {
  fieldText,
  harmlessJson,
  harmlessLines,
  harmlessText,
  keyValue,
  withoutPassword,
} from './log-text.ts';
export { type LogFormat, type LogStream, openLog, type RenderRecord } from './log-writer.ts';
export { nearest } from './nearest.ts';
export { type OwnNetworkSource, readOwnNetwork, type SharedAddress } from './own-network.ts';
export { Places } from './places.ts';
export { type PlainRequest, plainFetch } from './plain-fetch.ts';
export { Reclaimer } from './reclaim.ts';
export { type Redactor, redactor, type Secrets } from './redact.ts';
export { type SelfSigned, selfSigned } from './self-signed.ts';
export { Slices, type SlicesOptions } from './slices.ts';
export { embeddedIpv4, isGlobal, isPrivate, isUnspecified } from './special-addresses.ts';
export { packageVersion } from './version.ts';
