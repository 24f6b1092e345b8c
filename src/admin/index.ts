/**
 * Access to a running relay: the control socket for its operator, and an HTTP endpoint for programs that report logins
 * to mailboxes.
 *
 * The control socket is a unix socket in the data folder. One connection is one command: the client sends a line of
 * JSON `{command, args}`, the relay answers with any number of `{item}` lines and then exactly one `{result}` or
 * `{error: {code, message}}`. The mode of the file decides who may connect. Every line, the number of connections and
 * the patience with slow readers are bounded; a client can make its own command fail, and nothing else. The commands
 * stand in `commands.ts` of the folder that they control: a table of shapes, which both ends use. `serve` joins it
 * with its implementation, `connectControl` makes the same interface for a client.
 */

export {
  answering,
  type CommandShape,
  type CommandTable,
  type ControlOf,
  type ServedCommand,
  serve,
  yielding,
} from './command.ts';
export { connectControl } from './control-client.ts';
export { ControlError, type ControlErrorCode } from './control-error.ts';
export { parseLine, parseValue } from './control-protocol.ts';
export { type ControlSocketOptions, openControlSocket } from './control-socket.ts';
export { type AdminEvents, adminEvents } from './events.ts';
export { openWindowEndpoint, type WindowEndpoint, type WindowEndpointOptions } from './window-endpoint.ts';
