import type { DeliveryRoute, OauthOptions } from '../delivery/index.ts';
import type { KeyPath } from './problem.ts';
import { hasControl } from './scalar.ts';
import type { Parsed } from './schema.ts';

/** What the routes need of the one who resolves a file. */
interface Files {
  path(text: string): string;
  find(path: KeyPath, message: string, hint?: string): void;
  read(path: KeyPath, file: string): string | undefined;
}

type ParsedRoute = Parsed['routes'][number];

/** Reads the files of a route. What does not fit together is for delivery to say. */
export function routeOf(route: ParsedRoute, path: KeyPath, files: Files): DeliveryRoute {
  const { password, passwords, oauth, ca, ...plain } = route;
  const secret = password && readSecret([...path, 'password', 'file'], password.file, files);
  const roots = ca === undefined ? undefined : files.read([...path, 'ca'], ca);
  return {
    ...withoutAbsent(plain),
    to: route.to,
    via: route.via,
    ...(secret === undefined ? {} : { password: secret }),
    ...(passwords === undefined ? {} : { passwords: passwordsOf(passwords, [...path, 'passwords'], files) }),
    ...(oauth === undefined ? {} : { oauth: oauthOf(oauth, [...path, 'oauth'], files) }),
    ...(roots === undefined ? {} : { ca: roots }),
  };
}

type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** An absent option is an absent property. */
function withoutAbsent<T extends object>(options: T): Partial<Present<T>> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<
    Present<T>
  >;
}

function readSecret(at: KeyPath, file: string, files: Files): string | undefined {
  const text = files.read(at, file)?.replace(/\r?\n$/, '');
  if (text === '') files.find(at, `${files.path(file)} is empty`);
  if (text?.includes('\n')) files.find(at, `${files.path(file)} has several lines`);
  else if (text !== undefined && hasControl(text))
    files.find(at, `${files.path(file)} has a control character`);
  return text;
}

function passwordsOf(
  passwords: NonNullable<ParsedRoute['passwords']>,
  path: KeyPath,
  files: Files,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(passwords).map(([host, { file }]) => [
      host,
      readSecret([...path, host, 'file'], file, files) ?? '',
    ]),
  );
}

function oauthOf(oauth: NonNullable<ParsedRoute['oauth']>, path: KeyPath, files: Files): OauthOptions {
  const { clientSecret, refreshToken, expires, scope, ...plain } = oauth;
  const secret = clientSecret && readSecret([...path, 'clientSecret', 'file'], clientSecret.file, files);
  // It is read anew at each renewal; here only whether that can be done.
  if (refreshToken !== undefined) readSecret([...path, 'refreshToken', 'file'], refreshToken.file, files);
  const expiresAt = expires === undefined ? undefined : Date.parse(expires);
  if (expiresAt !== undefined && !(/^\d{4}-\d{2}-\d{2}/.test(expires ?? '') && expiresAt > 0))
    files.find([...path, 'expires'], `not a day: "${expires}"`, 'write 2027-03-01');
  return {
    ...plain,
    ...(secret === undefined ? {} : { clientSecret: secret }),
    ...(refreshToken === undefined ? {} : { refreshTokenFile: files.path(refreshToken.file) }),
    ...(scope === undefined ? {} : { scope }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** The times of the watchdog, in milliseconds. */
export function alarmsOf({ routeFailing, stuck, held, repeat, mail }: Parsed['alarms']) {
  return { routeFailingMs: routeFailing, stuckMs: stuck, heldMs: held, repeatMs: repeat, mail };
}
