/** Synonym spinning as sold to spammers: `{free|gratis}` where each copy takes one at random. */
import type { Random } from './random.ts';

const synonyms: readonly (readonly string[])[] = `
free gratis complimentary costless|money cash funds income|offer deal proposal bargain|click press tap hit
now today immediately instantly|buy purchase order acquire|best finest top greatest|new fresh latest brand-new
help assist support aid|get receive obtain gain|make create build produce|send mail forward transmit
people folks persons individuals|business company enterprise venture|email message letter note|list roster register catalog
remove delete erase unsubscribe|work labor job employment|time period moment hour|information details facts particulars
home house residence household|please kindly do simply|start begin commence launch|guarantee warrant promise assure
amazing incredible astonishing stunning|save conserve keep spare|low small reduced cut|price cost rate fee
simple easy effortless plain|quick fast rapid speedy|large big huge great|show display reveal demonstrate
use utilize employ apply|want wish desire need|find discover locate uncover|give provide grant supply
call phone ring dial|visit see view check|website site page portal|program system plan scheme
product item article merchandise|service offering assistance facility|million fortune lot heap|receive get accept collect
success triumph victory achievement|learn study discover grasp|company firm corporation business|credit loan financing funding
limited restricted short bounded|special exclusive unique particular|important vital crucial essential|include contain comprise hold
increase raise boost lift|reduce lower cut decrease|member subscriber participant client|customer client buyer shopper
every each any all|many numerous countless several|just only merely simply|also too likewise additionally
because since as for|however but yet still|will shall may can|would could might should
this that the such|your thy the our|with using by through|from out-of off via
very really extremely truly|good fine nice decent|great superb terrific splendid|right correct proper suitable
read peruse scan review|know understand realize see|think believe feel consider|try attempt test sample
take grab seize accept|keep retain hold preserve|pay spend settle remit|earn make gain win`
  .split(/[|\n]/)
  .map((group) => group.trim().split(' '))
  .filter((group) => group.length > 1);

const groupOf = new Map(
  synonyms.toReversed().flatMap((group) => group.map((word) => [word, group] as const)),
);

/** The text with each known word as `{one|another}`. */
export function spinTemplate(text: string): string {
  return text.replace(/[A-Za-z]+/g, (word) => {
    const group = groupOf.get(word.toLowerCase());
    return group === undefined
      ? word
      : `{${[word, ...group.filter((one) => one !== word.toLowerCase())].join('|')}}`;
  });
}

/** One of each choice. */
export function spin(text: string, random: Random): string {
  return spinTemplate(text.replace(/[{}]/g, '')).replace(/\{([^{}]*)\}/g, (_, choices: string) =>
    random.pick(choices.split('|')),
  );
}
