import type { Notify } from '../mail/index.ts';
import { CliError, exitCode } from './exit-code.ts';

/** What one call of sendmail(1) asks for. */
export interface SendmailOptions {
  readonly mode: 'deliver' | 'smtp' | 'list-queue' | 'flush-queue' | 'aliases';
  readonly recipients: readonly string[];
  /** `-t`: take the recipients of the header too. */
  readonly readsHeader: boolean;
  /** A line that is just a dot ends the message. */
  readonly dotEnds: boolean;
  /** `-f`; empty for the null reverse-path. */
  readonly from?: string;
  readonly fullName?: string;
  readonly body: '7bit' | '8bitmime';
  readonly notify?: Notify;
  readonly ret?: 'full' | 'hdrs';
  readonly envid?: string;
  readonly isVerbose: boolean;
  /** `-C`: the configuration file. */
  readonly configFile?: string;
}

type Draft = { -readonly [K in keyof SendmailOptions]: SendmailOptions[K] };

/** What is done with the value of an option; one that takes none ignores it. */
type Take = (draft: Draft, value: string) => void;

const ignore: Take = () => {};

/** Switches, which may stand together: `-it`. */
const switches: Readonly<Record<string, Take>> = {
  i: (draft) => {
    draft.dotEnds = false;
  },
  t: (draft) => {
    draft.readsHeader = true;
  },
  v: (draft) => {
    draft.isVerbose = true;
  },
  G: ignore,
  I: (draft) => {
    draft.mode = 'aliases';
  },
  U: ignore,
  m: ignore,
  n: ignore,
  x: ignore,
};

/** Options with a value, attached or as the next word. */
const valued: Readonly<Record<string, Take>> = {
  A: ignore,
  B: takeBody,
  b: takeMode,
  C: (draft, value) => {
    draft.configFile = value;
  },
  e: ignore,
  F: (draft, value) => {
    draft.fullName = value;
  },
  f: takeFrom,
  h: ignore,
  L: ignore,
  N: takeNotify,
  O: takeLongOption,
  o: takeShortOption,
  p: ignore,
  R: takeRet,
  r: takeFrom,
  V: takeEnvid,
};

/** Options whose value, if any, is attached: `-q`, `-q30m`, `-d8`. */
const attached: Readonly<Record<string, Take>> = {
  d: ignore,
  q: (draft, value) => {
    if (/^[IRS]/.test(value)) throw unsupported(`-q${value}`, 'use "posthouse queue flush" with a selector');
    draft.mode = 'flush-queue';
  },
};

/** `-O` and the older `-o` set options of sendmail.cf: these mean nothing here and may be given. */
const ignoredSettings =
  /^(?:DeliveryMode|ErrorMode|MeToo|OldStyleHeaders|SaveFromLine|SendMimeErrors|Timeout\..*|[demsw].*)$/i;

/**
 * Parses the arguments of sendmail(1) as its programs write them: switches together, values attached or
 * apart, `-oX` settings. What would change the meaning of the call and is not done here is an error; what
 * only tunes another implementation is ignored. Throws `CliError` `usage`.
 */
export function parseSendmail(argv: readonly string[]): SendmailOptions {
  const draft: Draft = {
    mode: 'deliver',
    recipients: [],
    readsHeader: false,
    dotEnds: true,
    body: '8bitmime',
    isVerbose: false,
  };
  let index = 0;
  while (index < argv.length) {
    const word = argv[index] ?? '';
    index++;
    if (word === '--') break;
    if (!word.startsWith('-') || word === '-') {
      index--;
      break;
    }
    if (takeWord(draft, word, argv[index])) index++;
  }
  draft.recipients = argv.slice(index);
  return draft;
}

/** Takes one word of options. Returns true when its value was the next word. */
function takeWord(draft: Draft, word: string, next: string | undefined): boolean {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? '';
    const rest = word.slice(at + 1);
    const takeAttached = attached[letter];
    if (takeAttached !== undefined) {
      takeAttached(draft, rest);
      return false;
    }
    const takeValue = valued[letter];
    if (takeValue !== undefined) {
      if (rest === '' && next === undefined) throw problem(`option -${letter} needs a value`);
      takeValue(draft, rest === '' ? (next ?? '') : rest);
      return rest === '';
    }
    const takeSwitch = switches[letter];
    if (takeSwitch === undefined) throw problem(`unknown option -${letter}`);
    takeSwitch(draft, '');
  }
  return false;
}

const modes: Readonly<Record<string, SendmailOptions['mode']>> = {
  m: 'deliver',
  s: 'smtp',
  p: 'list-queue',
  i: 'aliases',
};

function takeMode(draft: Draft, value: string): void {
  if (value === 'd' || value === 'D' || value === 'l') {
    throw unsupported(`-b${value}`, 'start the relay with "posthouse start"');
  }
  const mode = Object.hasOwn(modes, value) ? modes[value] : undefined;
  if (mode === undefined) throw unsupported(`-b${value}`, 'modes are -bm, -bs, -bp and -bi');
  draft.mode = mode;
}

function takeFrom(draft: Draft, value: string): void {
  draft.from = value === '<>' ? '' : value.replace(/^<(.*)>$/s, '$1');
}

function takeBody(draft: Draft, value: string): void {
  const body = value.toLowerCase();
  if (body !== '7bit' && body !== '8bitmime') throw problem(`-B takes 7BIT or 8BITMIME, not "${value}"`);
  draft.body = body;
}

function takeNotify(draft: Draft, value: string): void {
  const words = value.toLowerCase().split(',');
  const events = words.filter((word) => word === 'success' || word === 'failure' || word === 'delay');
  if (words.length === 1 && words[0] === 'never') draft.notify = 'never';
  else if (events.length === words.length) draft.notify = [...new Set(events)];
  else throw problem(`-N takes never, or success, failure and delay with commas, not "${value}"`);
}

function takeRet(draft: Draft, value: string): void {
  const ret = value.toLowerCase();
  if (ret !== 'full' && ret !== 'hdrs') throw problem(`-R takes full or hdrs, not "${value}"`);
  draft.ret = ret;
}

/** RFC 3461 §4.4: printable, at most 100 characters. */
function takeEnvid(draft: Draft, value: string): void {
  if (!/^[ -~]{1,100}$/.test(value)) throw problem('-V takes up to 100 printable ASCII characters');
  draft.envid = value;
}

function takeShortOption(draft: Draft, value: string): void {
  if (value === 'i') draft.dotEnds = false;
  else if (!/^[dempstvwA7]/.test(value)) throw unsupported(`-o${value}`, 'it would change what is sent');
}

function takeLongOption(draft: Draft, value: string): void {
  const [, name = '', setting = ''] = /^([^=]+)(?:=(.*))?$/s.exec(value) ?? [];
  if (/^IgnoreDots$|^i$/i.test(name)) draft.dotEnds = !/^(?:|t|true|1|y|yes)$/i.test(setting);
  else if (!ignoredSettings.test(name)) throw unsupported(`-O ${name}`, 'set it in the configuration file');
}

function problem(message: string): CliError {
  return new CliError(exitCode.usage, message);
}

function unsupported(option: string, instead: string): CliError {
  return problem(`sendmail option ${option} is not supported: ${instead}`);
}
