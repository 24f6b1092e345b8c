import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import tlshOf from 'tlsh';
import { peers, readable } from './index.ts';
import { nilsimsa, nilsimsaScore, tran } from './nilsimsa.ts';
import { digestLines, linesDigest, pyzorDigest } from './pyzor.ts';
import { drand48, e4, e8, hexBase64, hostsOf, razorKeys } from './razor.ts';
import { minHash, minHashShared, plainWords, simhash, simhashDistance } from './sketch.ts';
import { formatSpamsum, spamsum, spamsumScore } from './spamsum.ts';

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');
const prose = Array.from({ length: 120 }, (_, i) => `word${(i * 37) % 101} stands ${i} here`).join(' ');

suite('Razor', () => {
  test('writes hexadecimal digits as its own base 64', () => {
    assert.equal(hexBase64(sha1('abc')), 'WZnHxi4GGGXVx0ro4aA0Y5OwsZsA');
    assert.equal(hexBase64('0caaf24ab1a0b658'), 'A1X0JdhQ1qEA');
  });

  test('draws the numbers of drand48', () => {
    const random = drand48(7542);
    assert.ok(Math.abs(random() - 0.7618399919747425) < 1e-12);
    assert.ok(Math.abs(random() - 0.77118330620893971) < 1e-12);
  });

  test('e8 is of the host and of the length in hundreds', () => {
    assert.equal(e8('example.com', 42), 'A1X0JdhQ1qEA');
    assert.equal(e8('spam.co.uk', 99), hexBase64('da23b1200ed8b658'));
    assert.equal(e8('example.com', 142).slice(0, 8), 'A1X0JdhQ');
    assert.notEqual(e8('example.com', 142), e8('example.com', 42));
  });

  test('hosts are those of the first URL and of the last line', () => {
    assert.deepEqual(hostsOf('no link, www.example.com neither'), []);
    assert.deepEqual(
      hostsOf('see http://a.first.example:80/x\nthen http://not.this.example/\nhttp://u@b.last.co.uk/'),
      ['first.example', 'last.co.uk'],
    );
    assert.deepEqual(hostsOf('<a href="http://10.0.0.1/x">'), ['10.0.0.1']);
  });

  test('e4 of a short text is of all of it, of a long one of two slices', () => {
    assert.equal(e4('abc'), hexBase64(sha1('abc')));
    const long = Array.from(
      { length: 60 },
      (_, i) => `line ${i} of a text that is long enough to be cut in slices`,
    );
    const elsewhere = long.with(0, 'line X of a text that is long enough to be cut in slices');
    assert.equal(e4(elsewhere.join('\n')), e4(long.join('\n')));
    assert.notEqual(e4(['added', ...long, 'more'].join('\n')), e4(long.join('\n')));
  });

  test('an encoding is taken off first', () => {
    const text = `${prose}\nhttp://example.com/\n`;
    const plain = Buffer.from(`Subject: x\n\n${text}`);
    const coded = Buffer.from(
      `Content-Transfer-Encoding: base64\n\n${Buffer.from(text).toString('base64')}\n`,
    );
    assert.deepEqual(razorKeys(plain), razorKeys(coded));
  });
});

suite('Pyzor', () => {
  test('hashes the lines that its specification shows', () => {
    const lines = [
      'Hellodearfriend,visittodayforgreatsavings.',
      'Thisisasecondlineoftexttomakethemessagelongerthannothingatall.',
      'Hellodearfriend,visitheretoday.',
    ];
    assert.equal(linesDigest(lines), '744c37197a19fc388bbbf48b4d92018cad859810');
  });

  test('drops long words, addresses, URLs, blanks and short lines', () => {
    assert.deepEqual(digestLines(['some words abcdefghijkl a@b.c ftp:x stay\r\nshort']), ['somewordsstay']);
  });

  test('takes three lines at a fifth and at three fifths of many', () => {
    const lines = Array.from({ length: 10 }, (_, i) => `a line no${i}`);
    assert.deepEqual(
      digestLines([lines.join('\n')]),
      [2, 3, 4, 6, 7, 8].map((i) => `alineno${i}`),
    );
  });

  test('an empty message has no digest', () => {
    assert.equal(pyzorDigest(Buffer.from('Subject: x\n\n\n')), undefined);
  });
});

suite('Nilsimsa', () => {
  test('permutes as published', () => {
    assert.equal(Buffer.from(tran.subarray(0, 8)).toString('hex'), '02d69e6ff91d04ab');
    assert.equal(new Set(tran).size, 256);
  });

  test('gives the published digest', () => {
    assert.equal(
      Buffer.from(nilsimsa(Buffer.from('abcdefgh'))).toString('hex'),
      '14c8118000000000030800000004042004189020001308014088003280000078',
    );
  });

  test('scores 128 for equal texts', () => {
    const digest = nilsimsa(Buffer.from(prose));
    assert.equal(nilsimsaScore(digest, digest), 128);
    assert.ok(nilsimsaScore(digest, nilsimsa(Buffer.from(prose.toUpperCase()))) < 54);
  });
});

suite('spamsum', () => {
  test('gives the known digest of the EICAR test file', () => {
    // In two pieces, so that no scanner takes this file for it.
    const eicar = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');
    assert.equal(formatSpamsum(spamsum(Buffer.from(eicar))), '3:a+JraNvsgzsVqSwHq9:tJuOgzsko');
  });

  test('scores equal texts 100, an appended one high, another one 0', () => {
    const digest = spamsum(Buffer.from(prose));
    assert.equal(spamsumScore(digest, digest), 100);
    assert.ok(spamsumScore(digest, spamsum(Buffer.from(`${prose} and a few words more`))) > 80);
    assert.equal(spamsumScore(digest, spamsum(Buffer.from('quite something else '.repeat(90)))), 0);
  });
});

suite('sketches', () => {
  test('are equal for equal words, near for similar ones, far for others', () => {
    const list = plainWords(prose);
    const near = list.map((word, i) => (i === 50 ? 'changed' : word));
    const far = list.map((word) => `${word}x`);
    assert.equal(simhashDistance(simhash(list), simhash(list)), 0);
    assert.ok(simhashDistance(simhash(list), simhash(near)) <= 10);
    assert.ok(simhashDistance(simhash(list), simhash(far)) > 10);
    const [one, two, three] = [list, near, far].map((words) => minHash(words) ?? assert.fail());
    assert.ok(one && two && three);
    assert.ok(minHashShared(one, two) > 24);
    assert.equal(minHashShared(one, three), 0);
    assert.equal(minHash(['a', 'b']), undefined);
  });
});

suite('TLSH', () => {
  test('gives the published digest', () => {
    const text =
      'The best documentation is the UNIX source. After all, this is what the system uses for documentation when it decides what to do next! The manuals paraphrase the source code, often having been written at different times and by different people than who wrote the code. Think of them as guidelines. Sometimes they are more like wishes... Nonetheless, it is all too common to turn to the source and find options and behaviors that are not documented in the manual. Sometimes you find options described in the manual that are unimplemented and ignored by the source.';
    assert.equal(tlshOf(text), '6FF02BEF718027B0160B4391212923ED7F1A463D563B1549B86CF62973B197AD2731F8');
  });
});

suite('every peer', () => {
  for (const { name, matcher } of peers) {
    test(`${name} matches a message with itself, another it does not, and an empty one with nothing`, () => {
      const message = (text: string): Buffer =>
        Buffer.from(`Subject: x\r\n\r\n${text}\r\nhttp://${text.length}.example/\r\n`);
      const other = 'ABSOLUTELY DIFFERENT: 9-8-7-6-5! '.repeat(70);
      const octets = [message(prose), message(prose), message(other), Buffer.from('Subject: x\r\n\r\n')];
      const matches = matcher(octets.map((one) => readable(one)));
      assert.deepEqual(
        [matches(0, 1), matches(0, 2), matches(0, 3), matches(3, 3)],
        [true, false, false, false],
      );
    });
  }
});
