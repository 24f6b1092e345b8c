/** `posthouse user add`, `list`, `passwd`, `device`, `disable` and `remove`. */
import { readFile } from 'node:fs/promises';
import {
  editUsers,
  hashPassword,
  makeDevicePassword,
  makeScramVerifier,
  nameKey,
  parseUsers,
  preparePassword,
  scramValue,
  type User,
  UsersFileError,
} from '../identity/index.ts';
import { parsePattern } from '../mail/index.ts';
import type { Arguments, Command } from './command.ts';
import { configOption, usersFile } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';

const fileOption = {
  ...configOption,
  file: { value: 'FILE', help: 'the file of users, instead of looking it up in the configuration' },
} as const;
const minLength = 8;

/** `posthouse user add`. */
export const userAdd: Command = {
  name: 'user add',
  synopsis: 'NAME',
  summary: 'Add a user; the password comes from the terminal or standard input.',
  options: {
    ...fileOption,
    sender: {
      value: 'ADDR',
      isList: true,
      help: 'an address it may send as: user@example.org, *@example.org (default: NAME)',
    },
  },
  notes: `
The file has an argon2id hash and a verifier for SCRAM-SHA-256, never the password. A relay that runs sees the
change within a second.`,
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const name = nameOf(args);
    const senders = args.texts('sender');
    const wrong = senders.find((text) => parsePattern(text) === undefined);
    if (wrong !== undefined)
      throw new CliError(exitCode.usage, `not an address or a pattern of addresses: "${wrong}"`);
    if (senders.length === 0 && !name.includes('@'))
      throw new CliError(exitCode.usage, `"${name}" is no address: give its sender addresses with --sender`);
    const file = usersFile(args, io);
    if ((await find(file, name)) !== undefined)
      throw new CliError(exitCode.cantCreate, `there is a user "${name}"`);
    const secrets = await secretsOf(await askPassword(io));
    await change(file, (users) => {
      if (senders.length > 0) users.set(name, 'senders', [...senders]);
      for (const [key, value] of secrets) users.set(name, key, value);
    });
    return exitCode.ok;
  },
};

/** `posthouse user passwd`. */
export const userPasswd: Command = {
  name: 'user passwd',
  synopsis: 'NAME',
  summary: 'Change the password of a user.',
  options: fileOption,
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const file = usersFile(args, io);
    const { name } = await existing(file, nameOf(args));
    const secrets = await secretsOf(await askPassword(io));
    await change(file, (users) => {
      for (const [key, value] of secrets) users.set(name, key, value);
    });
    return exitCode.ok;
  },
};

/** `posthouse user device`. */
export const userDevice: Command = {
  name: 'user device',
  synopsis: 'NAME DEVICE',
  summary: 'Make and print a password for one device of a user, or delete it.',
  options: { ...fileOption, remove: { help: 'take the password of the device away' } },
  notes: `
A device that is lost or broken into loses its own password only. It logs in with PLAIN or LOGIN: SCRAM knows the
main password alone.`,
  arity: { min: 2, max: 2 },
  async run(args, io) {
    const file = usersFile(args, io);
    const device = args.rest[1] ?? '';
    const { name, devices } = await existing(file, nameOf(args));
    const others = devices.filter((each) => each.device !== device);
    if (args.has('remove')) {
      if (others.length === devices.length)
        throw new CliError(exitCode.noUser, `"${name}" has no device "${device}"`);
      await change(file, (users) => users.set(name, 'devices', others));
      return exitCode.ok;
    }
    const { password, hash } = makeDevicePassword();
    const entry = { device, hash, createdAt: new Date().toISOString() };
    await change(file, (users) => users.set(name, 'devices', [...others, entry]));
    await io.out(`${password}\n`);
    return exitCode.ok;
  },
};

/** `posthouse user disable`. */
export const userDisable: Command = {
  name: 'user disable',
  synopsis: 'NAME',
  summary: 'Disable the login of a user, or enable it again.',
  options: { ...fileOption, enable: { help: 'let it log in again' } },
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const file = usersFile(args, io);
    const { name } = await existing(file, nameOf(args));
    await change(file, (users) => {
      if (args.has('enable')) users.remove(name, 'disabled');
      else users.set(name, 'disabled', true);
    });
    return exitCode.ok;
  },
};

/** `posthouse user remove`. */
export const userRemove: Command = {
  name: 'user remove',
  synopsis: 'NAME',
  summary: 'Remove a user.',
  options: fileOption,
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const file = usersFile(args, io);
    const { name } = await existing(file, nameOf(args));
    await change(file, (users) => users.remove(name));
    return exitCode.ok;
  },
};

/** `posthouse user list`. */
export const userList: Command = {
  name: 'user list',
  synopsis: '',
  summary: 'List the users and the addresses that they may send as.',
  options: { ...fileOption, json: { help: 'one JSON object a line' } },
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const users = await read(usersFile(args, io));
    if (users.size === 0 && !args.has('json')) await io.out('there are no users\n');
    for (const user of users.values()) {
      const { name, senderTexts, devices, isDisabled } = user;
      const facts = { name, senders: senderTexts, devices: devices.map(({ device }) => device), isDisabled };
      await io.out(args.has('json') ? jsonLine(facts) : format(facts));
    }
    return exitCode.ok;
  },
};

function format(facts: {
  readonly name: string;
  readonly senders: readonly string[];
  readonly devices: readonly string[];
  readonly isDisabled: boolean;
}): string {
  const devices = facts.devices.length === 0 ? '' : `  devices: ${facts.devices.join(', ')}`;
  return `${facts.name.padEnd(24)}  ${facts.senders.join(', ')}${devices}${facts.isDisabled ? '  disabled' : ''}\n`;
}

function nameOf(args: Arguments): string {
  const name = args.rest[0] ?? '';
  if (/^[^\s\p{Cc}]{1,200}$/u.test(name)) return name;
  throw new CliError(exitCode.usage, 'a name has no blanks');
}

async function read(file: string): Promise<ReadonlyMap<string, User>> {
  try {
    return parseUsers(await readFile(file, 'utf8'), file).users;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw said(error, file);
  }
}

async function find(file: string, name: string): Promise<User | undefined> {
  return (await read(file)).get(nameKey(name));
}

async function existing(file: string, name: string): Promise<User> {
  const user = await find(file, name);
  if (user === undefined) throw new CliError(exitCode.noUser, `there is no user "${name}"`);
  return user;
}

async function change(file: string, edit: Parameters<typeof editUsers>[1]): Promise<void> {
  try {
    await editUsers(file, edit);
  } catch (error) {
    throw said(error, file);
  }
}

function said(error: unknown, file: string): CliError {
  if (error instanceof UsersFileError) return new CliError(exitCode.config, error.message, { cause: error });
  const because = error instanceof Error ? error.message : String(error);
  return new CliError(exitCode.cantCreate, `cannot use ${file}: ${because}`, { cause: error });
}

async function askPassword(io: Io): Promise<string> {
  const given = io.isTerminal.stdin ? await askTwice(io) : await firstLine(io);
  if (given.length < minLength)
    throw new CliError(exitCode.dataErr, `a password has ${minLength} characters or more`);
  return preparePassword(given);
}

async function askTwice(io: Io): Promise<string> {
  const first = await io.readSecret('password: ');
  if (first !== (await io.readSecret('again: ')))
    throw new CliError(exitCode.dataErr, 'that was another password');
  return first;
}

async function firstLine(io: Io): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of io.stdin) {
    parts.push(part);
    if (part.includes(10)) break;
  }
  return Buffer.concat(parts).toString('utf8').split(/\r?\n/)[0] ?? '';
}

async function secretsOf(password: string): Promise<readonly (readonly [key: string, value: unknown])[]> {
  const [hash, scram] = await Promise.all([hashPassword(password), makeScramVerifier(password)]);
  return [
    ['hash', hash],
    ['scram', scramValue(scram)],
  ];
}
