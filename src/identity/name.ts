/** The one form in which login names are compared. */
import saslprep from '@mongodb-js/saslprep';

const plainAscii = /^[\x21-\x7e]*$/;

/**
 * The one form under which a login name is looked up, compared and counted: without blanks around it, prepared as RFC
 * 4013 says (so that NFD equals NFC), in lower case. A name that RFC 4013 forbids is taken in NFC: it is unknown, as
 * any other name that no user has.
 */
export function nameKey(name: string): string {
  if (plainAscii.test(name)) return name.toLowerCase();
  const bare = name.trim();
  // Lower case may take characters apart again.
  return prepared(bare).toLowerCase().normalize('NFC');
}

/** Whether two names are of the same user. */
export function isSameName(one: string, other: string): boolean {
  return nameKey(one) === nameKey(other);
}

function prepared(name: string): string {
  try {
    return saslprep(name, { allowUnassigned: true });
  } catch {
    return name.normalize('NFC');
  }
}
