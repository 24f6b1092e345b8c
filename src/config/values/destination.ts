/** The option type of destinations, such as `smtp://host:25`. */
import { describe, Fault, nearestHint, textual } from './value.ts';

const destinations: readonly (readonly [scheme: string, form: RegExp, example: string])[] = [
  [
    'smtp',
    /^smtp:\/\/(?:[^\s/]+@)?(?:\[[0-9a-f:.]+\]|[\w.\u0080-\uffff-]+)(?::\d{1,5})?$/i,
    'smtp://host:25',
  ],
  [
    'smtps',
    /^smtps:\/\/(?:[^\s/]+@)?(?:\[[0-9a-f:.]+\]|[\w.\u0080-\uffff-]+)(?::\d{1,5})?$/i,
    'smtps://user@host:465',
  ],
  [
    'lmtp',
    /^lmtp:(?:\/\/(?:\[[0-9a-f:.]+\]|[\w.\u0080-\uffff-]+)(?::\d{1,5})?|(?:\/\/)?\/.+)$/i,
    'lmtp://127.0.0.1:24',
  ],
  ['maildir', /^maildir:\/.+$/, 'maildir:/var/mail/{local}'],
  ['capture', /^capture$/, 'capture'],
  ['mx', /^mx(?::[^\s:]+)?$/, 'mx'],
];
// Also where the slashes or the scheme are missing; a path may have both signs.
const withPassword =
  /^(?:[a-z]+:\/\/[^/]*|(?:smtps?:\/?|lmtp:(?!\/))[^/]*|(?!maildir:|mx:|smtps?:|lmtp:)[^/:]+):.*@/is;

/** Where mail goes. The form alone is looked at here; delivery, which reads it, checks the rest. */
export const destination = () =>
  textual('destination', (value) => {
    const scheme = /^[a-z]*/i.exec(value)?.[0] ?? '';
    const known = destinations.find(([name]) => name === scheme);
    if (withPassword.test(value))
      return new Fault('a password has no place in an address', 'write password: { file: PATH }');
    if (known === undefined) {
      const hint = nearestHint(
        scheme,
        Array.from(destinations, ([name]) => name),
      );
      const forms = destinations.map(([, , example]) => example).join(', ');
      return new Fault(`unknown destination ${describe(value)}: expected ${forms}`, hint);
    }
    return known[1].test(value)
      ? value
      : new Fault(`not a destination: ${describe(value)}`, `write ${known[2]}`);
  });
