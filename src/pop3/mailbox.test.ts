import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Mailbox, Mailboxes } from './mailbox.ts';
import { CanonicalLines, TopCut } from './mailbox-wire.ts';
import { makeMaildir } from './testing.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'posthouse-pop3-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function opened(path: string, mailboxes = new Mailboxes()): Promise<Mailbox> {
  const opening = await mailboxes.open(path);
  assert.equal(opening.kind, 'open', JSON.stringify(opening));
  return opening.kind === 'open' ? opening.mailbox : assert.fail();
}

async function textOf(mailbox: Mailbox, index: number, bodyLines?: number): Promise<string> {
  const content = await mailbox.content(index, bodyLines);
  assert.ok(content !== undefined);
  let text = '';
  for await (const piece of content) text += piece.toString('latin1');
  return text;
}

test('a link in place of the Maildir, of its folders or of a message leads nowhere', async (t) => {
  const root = folder(t);
  const theirs = makeMaildir(join(root, 'theirs'), { '1.a.h': 'secret\n' });
  symlinkSync(theirs, join(root, 'link'));
  const mailboxes = new Mailboxes();
  assert.equal((await mailboxes.open(join(root, 'link'))).kind, 'unavailable');

  mkdirSync(join(root, 'half/cur'), { recursive: true });
  symlinkSync(join(theirs, 'new'), join(root, 'half/new'));
  assert.equal((await mailboxes.open(join(root, 'half'))).kind, 'unavailable');

  const mine = makeMaildir(join(root, 'mine'), { '2.b.h': 'mine\n' });
  symlinkSync(join(theirs, 'new/1.a.h'), join(mine, 'new/1.link.h'));
  symlinkSync(join(theirs, 'new/1.a.h'), join(mine, 'cur/1.link2.h:2,S'));
  mkdirSync(join(mine, 'new/3.folder.h'));
  const mailbox = await opened(mine, mailboxes);
  assert.equal(mailbox.count, 1);
  // Changed under the session, too.
  rmSync(join(mine, 'cur/2.b.h:2,'));
  symlinkSync(join(theirs, 'new/1.a.h'), join(mine, 'cur/2.b.h:2,'));
  assert.equal(await mailbox.content(0), undefined);
  assert.equal(await mailbox.size(0), 0);
  await mailbox.close();
});

test('folders that are exchanged under a session are not followed', async (t) => {
  const root = folder(t);
  const theirs = makeMaildir(join(root, 'theirs'));
  writeFileSync(join(theirs, 'cur/1.a.h:2,'), 'secret\n');
  const mine = makeMaildir(join(root, 'mine'), { '1.a.h': 'mine\n' });
  const mailbox = await opened(mine);
  renameSync(join(mine, 'cur'), join(mine, 'old'));
  symlinkSync(join(theirs, 'cur'), join(mine, 'cur'));
  assert.equal(await textOf(mailbox, 0), 'mine\r\n.\r\n');
  assert.equal(await mailbox.remove([0]), 0);
  await mailbox.close();
  assert.deepEqual(readdirSync(join(theirs, 'cur')), ['1.a.h:2,']);
  assert.deepEqual(readdirSync(join(mine, 'old')), []);
});

test('a named pipe does not stop the server', async (t) => {
  const path = makeMaildir(join(folder(t), 'm'));
  execFileSync('mkfifo', [join(path, 'cur/1.pipe.h:2,')]);
  const mailbox = await opened(path);
  assert.equal(await mailbox.size(0), 0);
  assert.equal(await mailbox.content(0), undefined);
  await mailbox.close();
});

test('a Maildir that is not there yet is empty, and one that is none is unavailable', async (t) => {
  const root = folder(t);
  const mailbox = await opened(join(root, 'nobody'));
  assert.equal(mailbox.count, 0);
  await mailbox.close();
  writeFileSync(join(root, 'file'), '');
  assert.equal((await new Mailboxes().open(join(root, 'file'))).kind, 'unavailable');
});

test('one session has a mailbox, and its end lets the next one in', async (t) => {
  const path = makeMaildir(join(folder(t), 'm'));
  const mailboxes = new Mailboxes();
  const openings = await Promise.all([1, 2, 3].map(() => mailboxes.open(path)));
  assert.deepEqual(openings.map(({ kind }) => kind).sort(), ['in-use', 'in-use', 'open']);
  for (const opening of openings) if (opening.kind === 'open') await opening.mailbox.close();
  await (await opened(path, mailboxes)).close();
});

test('new messages are moved to cur, flags are kept, and numbers and UIDLs stay', async (t) => {
  const path = makeMaildir(join(folder(t), 'm'), { '30.c.h': 'c\n', '9.a.h': 'a\n', '9.b.h:2,S': 'b\n' });
  writeFileSync(join(path, 'cur/20.d.h:2,RS'), 'd\n');
  writeFileSync(join(path, 'cur/.hidden'), '');
  writeFileSync(join(path, `cur/40.${'x'.repeat(80)}:2,`), 'e\n');
  writeFileSync(join(path, 'cur/50.with space:2,'), 'f\n');
  const uids = async () => {
    const mailbox = await opened(path);
    const found = Array.from({ length: mailbox.count }, (_, index) => mailbox.uid(index));
    await mailbox.close();
    return found;
  };
  const first = await uids();
  assert.deepEqual(first.slice(0, 4), ['9.a.h', '9.b.h', '20.d.h', '30.c.h']);
  for (const uid of first) assert.match(uid, /^[\x21-\x7e]{1,70}$/);
  assert.equal(new Set(first).size, 6);
  assert.deepEqual(await uids(), first);
  assert.deepEqual(readdirSync(join(path, 'new')), []);
  const cur = readdirSync(join(path, 'cur'));
  for (const name of ['9.a.h:2,', '9.b.h:2,S', '20.d.h:2,RS', '30.c.h:2,'])
    assert.ok(cur.includes(name), name);
});

test('a message whose flags another program changed is found again, for reading and for removal', async (t) => {
  const path = makeMaildir(join(folder(t), 'm'), { '1.a.h': 'a\n', '2.b.h': 'b\n', '3.c.h': 'c\n' });
  const mailbox = await opened(path);
  renameSync(join(path, 'cur/1.a.h:2,'), join(path, 'cur/1.a.h:2,S'));
  assert.equal(await textOf(mailbox, 0), 'a\r\n.\r\n');
  renameSync(join(path, 'cur/2.b.h:2,'), join(path, 'cur/2.b.h:2,T'));
  rmSync(join(path, 'cur/3.c.h:2,'));
  assert.equal(await mailbox.content(2), undefined);
  assert.equal(await mailbox.remove([0, 1, 2]), 0, 'what is gone already is no failure');
  assert.deepEqual(readdirSync(join(path, 'cur')), []);
  await mailbox.close();
});

test('sizes are those on the wire, without the dots that are doubled', async (t) => {
  const texts = {
    '1.a.h': 'a: b\n\n.\n..x\n',
    '2.b.h': 'no end',
    '3.c.h': '',
    '4.d.h': 'a\r\nb\r\n',
    '5.e.h': 'x\ry\n',
  };
  const path = makeMaildir(join(folder(t), 'm'), texts);
  const mailbox = await opened(path);
  const wire = ['a: b\r\n\r\n..\r\n...x\r\n', 'no end\r\n', '', 'a\r\nb\r\n', 'x\r\ny\r\n'];
  for (const [index, text] of wire.entries()) {
    assert.equal(await textOf(mailbox, index), `${text}.\r\n`);
    assert.equal(await mailbox.size(index), text.replace(/^\./gm, '').length);
  }
  await mailbox.close();
});

test('TOP gives the header and so many lines', async (t) => {
  const path = makeMaildir(join(folder(t), 'm'), {
    '1.a.h': 'a: b\nc: d\n\n.1\n\n3\n',
    '2.b.h': 'only: header\n',
  });
  const mailbox = await opened(path);
  assert.equal(await textOf(mailbox, 0, 0), 'a: b\r\nc: d\r\n\r\n.\r\n');
  assert.equal(await textOf(mailbox, 0, 2), 'a: b\r\nc: d\r\n\r\n..1\r\n\r\n.\r\n');
  assert.equal(await textOf(mailbox, 0, 99), 'a: b\r\nc: d\r\n\r\n..1\r\n\r\n3\r\n.\r\n');
  assert.equal(await textOf(mailbox, 1, 5), 'only: header\r\n.\r\n');
  await mailbox.close();
});

test('line ends and the cut of TOP are the same wherever the pieces end', () => {
  const octet = fc.constantFrom(10, 13, 46, 97);
  const property = fc.property(
    fc.array(octet, { maxLength: 60 }),
    fc.array(fc.nat(60), { maxLength: 8 }),
    fc.nat(5),
    (octets, cuts, lines) => {
      const whole = Buffer.from(octets);
      const at = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
      const run = (parts: readonly Buffer[]) => {
        const canonical = new CanonicalLines();
        const cut = new TopCut(lines);
        let [all, top, isDone] = ['', '', false];
        for (const part of parts) {
          const written = canonical.write(part);
          all += written.toString('latin1');
          if (isDone) continue;
          const taken = cut.take(written);
          top += taken.octets.toString('latin1');
          isDone = taken.isDone;
        }
        return { all, top };
      };
      const result = run(pieces);
      assert.deepEqual(result, run([whole]));
      assert.equal(result.all, whole.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n'));
      const [head = '', ...rest] = result.all.split(/(?<=^\r\n|\r\n\r\n)/);
      const body = rest
        .join('')
        .split(/(?<=\r\n)/)
        .slice(0, lines)
        .join('');
      assert.equal(result.top, /(?:^|\r\n)\r\n$/.test(head) ? head + body : result.all);
    },
  );
  fc.assert(property, { numRuns: 2000 });
});

test('what cannot be removed is counted, and the rest is removed', async (t) => {
  const path = makeMaildir(join(folder(t), 'm'), { '1.a.h': 'a\n', '2.b.h': 'b\n' });
  const mailbox = await opened(path);
  rmSync(join(path, 'cur/1.a.h:2,'));
  // Not even root can unlink a folder.
  mkdirSync(join(path, 'cur/1.a.h:2,'));
  assert.equal(await mailbox.remove([0, 1]), 1);
  assert.deepEqual(readdirSync(join(path, 'cur')), ['1.a.h:2,']);
  await mailbox.close();
});
