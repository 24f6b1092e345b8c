/** A detector's results for all copies of one class, shuffled among ham. */
import type { CorpusMessage } from './corpus.ts';
import type { Detector } from './detector.ts';
import type { Copy } from './generate.ts';
import { field } from './mime.ts';
import { seededRandom } from './random.ts';

/** From this copy of a campaign on, in the order of the stream, copies are scored. */
export const firstScored = 4;

export interface Recognition {
  readonly copies: number;
  readonly scored: number;
  /** Of those scored: in a cluster that the campaign founded or holds the most of. */
  readonly recognised: number;
  /** Of those scored: recognised and called bulk. */
  readonly bulk: number;
  /** Of those scored: in a cluster in which another campaign has more. */
  readonly misplaced: number;
  /** Recognised, by channel. */
  readonly via: Readonly<Record<string, number>>;
  readonly ham: number;
  /** Ham in a cluster that has copies of a campaign. */
  readonly hamJoined: readonly string[];
  readonly hamBulk: number;
  readonly hamReported: number;
  /** Subjects of the ham that is called bulk most often, for a reader to judge. */
  readonly bulkSubjects: readonly string[];
}

type Item =
  | { readonly kind: 'copy'; readonly copy: Copy }
  | { readonly kind: 'ham'; readonly message: CorpusMessage };

/** Members of a cluster by campaign; ham is counted under its own name. */
type Members = Map<string, number>;
const hamName = 'ham';

class Tally {
  readonly #clusters = new Map<string, Members>();
  readonly #seen = new Map<string, number>();

  /** The number of this copy of its campaign, from 1. */
  next(campaign: string): number {
    const number = (this.#seen.get(campaign) ?? 0) + 1;
    this.#seen.set(campaign, number);
    return number;
  }

  /** The members before this one. */
  join(cluster: string, who: string): ReadonlyMap<string, number> {
    const members = this.#clusters.get(cluster) ?? new Map<string, number>();
    this.#clusters.set(cluster, members);
    const before = new Map(members);
    members.set(who, (members.get(who) ?? 0) + 1);
    return before;
  }
}

const majority = (members: ReadonlyMap<string, number>): string | undefined =>
  [...members].reduce<readonly [string, number] | undefined>(
    (best, one) => (best === undefined || one[1] > best[1] ? one : best),
    undefined,
  )?.[0];

const subjectOf = (message: CorpusMessage): string =>
  field(
    Buffer.from(message.octets.subarray(0, 16_384)).toString('latin1').replaceAll('\r\n', '\n'),
    'subject',
  ) ?? '';

/** The order is that of the seed. Each ham has a recipient of its own. */
export async function recognise(
  detector: Detector,
  copies: readonly Copy[],
  { ham, seed }: { readonly ham: readonly CorpusMessage[]; readonly seed: number },
): Promise<Recognition> {
  const items: readonly Item[] = [
    ...copies.map((copy) => ({ kind: 'copy', copy }) as const),
    ...ham.map((message) => ({ kind: 'ham', message }) as const),
  ];
  const tally = new Tally();
  const via: Record<string, number> = {};
  const subjects = new Map<string, number>();
  const hamJoined: string[] = [];
  let [scored, recognised, bulk, misplaced, hamBulk, hamReported] = [0, 0, 0, 0, 0, 0];
  for (const [index, item] of seededRandom(seed, 'stream').shuffle(items).entries()) {
    const isCopy = item.kind === 'copy';
    const octets = isCopy ? item.copy.octets : item.message.octets;
    const recipient = isCopy ? item.copy.recipient : `user${index}@home.example`;
    const answer = await detector.feed(octets, recipient);
    const who = isCopy ? item.copy.campaign : hamName;
    const before = answer.cluster === undefined ? new Map() : tally.join(answer.cluster, who);
    if (isCopy) {
      if (tally.next(who) < firstScored) continue;
      scored++;
      const isOwn = before.size > 0 && majority(before) === who;
      if (isOwn) {
        recognised++;
        if (answer.isBulk) bulk++;
        via[answer.via ?? 'all'] = (via[answer.via ?? 'all'] ?? 0) + 1;
      } else if (before.size > 0) misplaced++;
    } else {
      if ([...before.keys()].some((name) => name !== hamName))
        hamJoined.push(`${item.message.from}/${item.message.name}`);
      if (answer.isReported === true) hamReported++;
      if (!answer.isBulk) continue;
      hamBulk++;
      const subject = subjectOf(item.message)
        .replace(/^(?:re|fwd?):\s*/i, '')
        .slice(0, 40);
      subjects.set(subject, (subjects.get(subject) ?? 0) + 1);
    }
  }
  const bulkSubjects = [...subjects]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 8)
    .map(([name, n]) => `${n} × ${name}`);
  return {
    ...{ copies: copies.length, scored, recognised, bulk, misplaced, via },
    ...{ ham: ham.length, hamJoined, hamBulk, hamReported, bulkSubjects },
  };
}
