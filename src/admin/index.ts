/**
 * How people and programs talk to a running relay: the control socket for its operator, and an HTTP endpoint for
 * those who report logins to mailboxes.
 *
 * The control socket is a unix socket in the data folder. One connection is one command: the client sends
 * a line of JSON `{command, args}`, the relay answers with any number of `{item}` lines and then exactly
 * one `{result}` or `{error: {code, message}}`. Who may connect is decided by the mode of the file. Every
 * line, the number of connections and the patience with slow readers are bounded; a client can make its
 * own command fail, and nothing else. `Control` is what the socket asks; the relay implements it, and
 * `connectControl` gives the same interface to a command.
 */

export {
  type Changed,
  type Control,
  ControlError,
  type ControlErrorCode,
  type ExplanationAnswer,
  type Match,
  type Planned,
  type Question,
  type QueueChange,
  type QueueItem,
  type Reach,
  type RelayStatus,
  type ReloadOutcome,
  type Selector,
  type ShapeRow,
  type Submission,
  type SubmitEvent,
  shapeMinutes,
} from './control.ts';
export type { AuditEvent } from './control-audit.ts';
export type {
  BulkQuestion,
  BulkVerdict,
  ClearinghouseControl,
  ClearinghouseStatus,
} from './control-clearinghouse.ts';
export { connectControl } from './control-client.ts';
export type { GuardChange, GuardChanged, GuardControl, GuardItem } from './control-guard.ts';
export { parseLine } from './control-protocol.ts';
export type { SessionControl, SessionItem, WhichSessions } from './control-sessions.ts';
export { type ControlSocketOptions, openControlSocket } from './control-socket.ts';
export type { WhichWindows, Window, WindowControl } from './control-windows.ts';
export { openWindowEndpoint, type WindowEndpoint, type WindowEndpointOptions } from './window-endpoint.ts';
