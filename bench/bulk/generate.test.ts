import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import { decode as decodeJpeg } from 'jpeg-js';
import { PNG } from 'pngjs';
import { campaignText, chooseCampaigns, noiseOf, sharedShare, wordTriples } from './campaigns.ts';
import { readCorpus } from './corpus.ts';
import { type Copy, classNames, generateClass } from './generate.ts';
import { leaves, messageText, partText, words } from './mime.ts';

const corpus = readCorpus();
const campaigns = chooseCampaigns(corpus.spam, 6);
const noise = noiseOf(corpus);
const plan = { campaigns, noise, copies: 4, seed: 1 };
const copies = (name: string): readonly Copy[] => [...generateClass(name, plan)];
const textOf = (copy: Copy): string => messageText(copy.octets);
const canonical = (copy: Copy): string => {
  const campaign = campaigns.find((one) => one.id === copy.campaign);
  assert.ok(campaign);
  return campaignText(campaign);
};
const squeeze = (text: string): string => words(text).join(' ');
const digest = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');
/** The share of the canonical words that stand in the copy in their order. */
function keptShare(copy: Copy, read = textOf): number {
  const wanted = words(canonical(copy));
  let at = 0;
  const found = words(read(copy));
  const kept = wanted.filter((word) => {
    const next = found.indexOf(word, at);
    if (next < 0 || next > at + 400) return false;
    at = next + 1;
    return true;
  });
  return kept.length / wanted.length;
}
const growth = (copy: Copy): number => words(textOf(copy)).length / words(canonical(copy)).length;

suite('the corpus', () => {
  test('has every message once, and enough ham that is neither noise nor lexicon', () => {
    assert.equal(corpus.spam.length, 1896);
    assert.ok(corpus.ham.length >= 3300);
    const names = [...corpus.spam, ...corpus.noise, ...corpus.lexicon, ...corpus.ham];
    assert.equal(new Set(names.map(({ from, name }) => `${from}/${name}`)).size, 6046);
  });

  test('has a hundred campaigns of 60 to 500 words that share next to nothing', () => {
    const hundred = chooseCampaigns(corpus.spam, 100);
    const triples = hundred.map((one) => wordTriples(campaignText(one)));
    for (const [i, a] of triples.entries()) {
      for (const b of triples.slice(i + 1)) assert.ok(sharedShare(a, b) <= 0.06);
      const length = words(campaignText(hundred[i] ?? assert.fail())).length;
      assert.ok(length >= 60 && length <= 500);
      assert.ok((hundred[i]?.paragraphs.length ?? 0) >= 5);
    }
  });
});

test('campaigns that are skipped do not come again', () => {
  assert.deepEqual(chooseCampaigns(corpus.spam, 3, 3), campaigns.slice(3));
  assert.throws(() => chooseCampaigns(corpus.spam, 1, 5000), /only \d+ of 5001 campaigns are dissimilar/);
});

for (const name of classNames) {
  suite(`copies by "${name}"`, () => {
    test('are the same in each run, and no two are equal', () => {
      const once = copies(name).map(({ octets }) => digest(octets));
      assert.deepEqual(
        once,
        copies(name).map(({ octets }) => digest(octets)),
      );
      assert.equal(new Set(once).size, plan.copies * campaigns.length);
    });

    test('are messages with CRLF, an addressee and a Message-ID of their own', () => {
      const ids = new Set<string>();
      for (const copy of copies(name)) {
        const text = Buffer.from(copy.octets).toString('latin1');
        assert.ok(!/(?<!\r)\n|\r(?!\n)/.test(text.slice(0, text.indexOf('\r\n\r\n') + 4)));
        assert.ok(text.includes(`<${copy.recipient}>`));
        ids.add(/^Message-ID: (<.*>)\r$/m.exec(text)?.[1] ?? '');
        assert.ok(leaves(copy.octets).length > 0);
      }
      assert.equal(ids.size, plan.copies * campaigns.length);
    });
  });
}

suite('each class is what it says:', () => {
  test('an encoding change leaves the text as it is', () => {
    for (const copy of copies('encoding change'))
      assert.equal(squeeze(textOf(copy)), squeeze(canonical(copy)));
    const encodings = copies('encoding change').map(
      ({ octets }) =>
        /^Content-Transfer-Encoding: (.*)\r$/m.exec(Buffer.from(octets).toString('latin1'))?.[1],
    );
    assert.deepEqual(new Set(encodings), new Set(['8bit', 'quoted-printable', 'base64']));
  });

  test('a name and a token are added, the words stay', () => {
    for (const copy of copies('name + URL token')) {
      assert.match(textOf(copy), /^Dear [A-Z][a-z]+ [A-Z][a-z]+,/);
      assert.match(textOf(copy), /(?:\?id=|Ref: )[0-9a-f]{12}/);
      assert.ok(keptShare(copy) > 0.9);
    }
  });

  for (const [name, least, most] of [
    ['+50 % dictionary words', 1.45, 1.6],
    ['+300 % prose around', 3.9, 4.2],
    ['prose between every line', 4, 8],
    ['gibberish after 5th word', 1.15, 1.25],
  ] as const) {
    test(`${name}: that much is added, and all of the text is there`, () => {
      for (const copy of copies(name)) {
        assert.ok(growth(copy) >= least && growth(copy) <= most, `${growth(copy)}`);
        if (name !== '+300 % prose around') assert.ok(keptShare(copy) > 0.98, `${keptShare(copy)}`);
        else assert.ok(squeeze(textOf(copy)).includes(squeeze(canonical(copy))));
      }
    });
  }

  test('lookalikes leave few words as they were, and none to a reader', () => {
    for (const copy of copies('zero-width + homoglyphs')) {
      assert.match(textOf(copy), /\u200b|\u200c|\u200d|\u2060|\u00ad|\ufeff/);
      assert.match(textOf(copy), /[\u0370-\u04ff]/);
      assert.ok(keptShare(copy) < 0.5);
    }
  });

  test('HTML has comments within words and prose that is hidden', () => {
    for (const copy of copies('HTML comments + hidden')) {
      const [part] = leaves(copy.octets);
      assert.ok(part);
      assert.match(partText(part), /\w<!-- [a-z]+ -->\w/);
      const shown = partText(part).replace(/<div class="[a-z]+" style="[^"]+">[^<]*<\/div>/g, '');
      const plain = shown.replace(/<title>.*<\/title>|<!--.*?-->|<[^>]+>/g, '');
      const decoded = plain.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
      assert.equal(squeeze(decoded), squeeze(canonical(copy)));
      assert.ok(textOf(copy).length > canonical(copy).length * 1.2);
    }
  });

  for (const [name, share] of [
    ['15 % of words replaced', 0.15],
    ['30 % of words replaced', 0.3],
    ['leet in 20 % of words', 0.2],
  ] as const) {
    test(`${name}: about that share changed`, () => {
      const shares = copies(name).map((copy) => {
        const now = words(textOf(copy));
        const before = words(canonical(copy));
        assert.equal(now.length, before.length);
        return now.filter((word, i) => word !== before[i]).length / before.length;
      });
      const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length;
      assert.ok(Math.abs(mean - share) < 0.04, `${mean}`);
    });
  }

  test('of shuffled paragraphs, six in ten are there', () => {
    for (const copy of copies('shuffled, 40 % dropped')) {
      const campaign = campaigns.find((one) => one.id === copy.campaign) ?? assert.fail();
      const text = squeeze(textOf(copy));
      const kept = campaign.paragraphs.filter((lines) => text.includes(squeeze(lines.join(' '))));
      assert.ok(kept.length >= Math.ceil(campaign.paragraphs.length * 0.6));
      assert.ok(growth(copy) < 0.95);
    }
  });

  test('spun text has other words in many places, and as many', () => {
    const shares = copies('spun text').map((copy) => {
      const before = words(canonical(copy).replace(/[{}]/g, ''));
      const now = words(textOf(copy));
      assert.equal(now.length, before.length);
      return now.filter((word, i) => word !== before[i]).length / before.length;
    });
    const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length;
    assert.ok(mean > 0.08 && mean < 0.4, `${mean}`);
  });

  test('pictures decode, are of several sizes, and are all that there is', () => {
    const sizes = new Set<string>();
    for (const copy of copies('images only')) {
      const [text, image, ...rest] = leaves(copy.octets);
      assert.ok(text !== undefined && image !== undefined && rest.length === 0);
      assert.equal(textOf(copy).trim(), '');
      const { width, height } =
        image.type === 'image/png' ? PNG.sync.read(image.decoded) : decodeJpeg(image.decoded);
      sizes.add(`${width}×${height}`);
    }
    assert.ok(sizes.size > 5);
  });

  test('attachments share their objects and no file is like another', () => {
    const [first, second] = copies('attachments').map(
      ({ octets }) => leaves(octets).at(-1)?.decoded ?? assert.fail(),
    );
    assert.ok(first !== undefined && second !== undefined);
    assert.notEqual(digest(first), digest(second));
    const streams = (file: Buffer): readonly string[] =>
      file.toString('latin1').match(/stream\n[\s\S]*?\nendstream/g) ?? [];
    assert.deepEqual(streams(first), streams(second));
    assert.ok(first.length > 8000);
  });

  test('CJK and Cyrillic come in several charsets and decode', () => {
    for (const [name, pattern, count] of [
      ['CJK', /[\u4e00-\u9fff]{20}/, 2],
      ['Cyrillic', /[а-яё]{4}/, 3],
    ] as const) {
      const charsets = new Set(copies(name).map(({ octets }) => leaves(octets)[0]?.charset));
      assert.equal(charsets.size, count);
      for (const copy of copies(name)) {
        assert.match(textOf(copy), pattern);
        assert.ok(!textOf(copy).includes('\ufffd'));
      }
    }
  });
});
