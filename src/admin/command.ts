/**
 * A command of the control socket as both of its ends know it: its name, and the shapes of its arguments and answers.
 */
import { z } from 'zod';

/** One command. */
export interface CommandShape {
  /** On the wire. */
  readonly name: string;
  /** The shape of the arguments; `z.undefined()` if there are none. */
  readonly args: z.ZodType;
  /** One answer, or any number of items. */
  readonly kind: 'answer' | 'items';
  /** The answer, or one of the items, as the client reads it. */
  readonly out: z.ZodType;
  /** Turns a value that is not JSON into JSON that `out` reads. */
  readonly encode?: (out: unknown) => unknown;
  /** The octets of a message follow. */
  readonly takesMessage: boolean;
  /** Whether the command changes something, and is logged. */
  readonly isLogged: boolean;
}

/** Commands by the names of their methods. */
export type CommandTable = Readonly<Record<string, CommandShape>>;

type ArgsOf<S extends CommandShape> =
  undefined extends z.output<S['args']> ? [] : [args: z.output<S['args']>];

type MessageOf<S extends CommandShape> = S['takesMessage'] extends true
  ? [octets: AsyncIterable<Uint8Array>, signal: AbortSignal]
  : [];

/**
 * A command table as an interface, which the relay implements and a client offers. A stream is read no faster than its
 * reader takes it, and is returned early (`return()`) when the reader goes away. Any exception is reported as
 * `failed`; throw a `ControlError` to choose the code. The octets of a message have CRLF line ends; `signal` aborts
 * when the client is gone.
 */
export type ControlOf<T extends CommandTable> = {
  readonly [K in keyof T]: (
    ...given: [...ArgsOf<T[K]>, ...MessageOf<T[K]>]
  ) => T[K]['kind'] extends 'items' ? AsyncIterable<z.output<T[K]['out']>> : Promise<z.output<T[K]['out']>>;
};

interface Options<Args extends z.ZodType, Out extends z.ZodType, Message extends boolean> {
  readonly args?: Args;
  readonly out: Out;
  readonly encode?: (out: unknown) => unknown;
  readonly takesMessage?: Message;
  readonly isLogged?: boolean;
}

/** A command with one answer. */
export function answering<
  Out extends z.ZodType,
  Args extends z.ZodType = z.ZodUndefined,
  Message extends boolean = false,
>(name: string, options: Options<Args, Out, Message>) {
  return shaped(name, 'answer', options);
}

/** A command that yields items. */
export function yielding<
  Out extends z.ZodType,
  Args extends z.ZodType = z.ZodUndefined,
  Message extends boolean = false,
>(name: string, options: Options<Args, Out, Message>) {
  return shaped(name, 'items', options);
}

function shaped<
  Kind extends CommandShape['kind'],
  Out extends z.ZodType,
  Args extends z.ZodType,
  Message extends boolean,
>(
  name: string,
  kind: Kind,
  { args, out, takesMessage, isLogged = false, encode }: Options<Args, Out, Message>,
) {
  return {
    name,
    kind,
    out,
    // The defaults of the type parameters are those of the absent options.
    args: (args ?? z.undefined()) as Args,
    takesMessage: (takesMessage ?? false) as Message,
    isLogged,
    ...(encode && { encode }),
  };
}

/** A command and its implementation. */
export interface ServedCommand {
  readonly shape: CommandShape;
  run(given: readonly unknown[]): unknown;
}

/** The commands of a table with their implementation, which a part of the relay answers. */
export function serve<T extends CommandTable>(table: T, control: ControlOf<T>): readonly ServedCommand[] {
  return Object.entries(table).map(([method, shape]) => ({
    shape,
    run: (given) => Reflect.apply(control[method] as () => unknown, control, given),
  }));
}
