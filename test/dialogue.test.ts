import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseDialogue, playDialogue, type Sending } from './support/dialogue.ts';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { TestServer } from './support/server.ts';

const folder = new URL('dialogues/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

for (const file of files.sort()) {
  const dialogue = parseDialogue(readFileSync(new URL(file, folder), 'utf8'));
  const ways: readonly Sending[] = dialogue.isPipelined
    ? ['whole', 'octets', 'pipelined']
    : ['whole', 'octets'];
  for (const sending of ways) {
    test(`${file} (${sending}, in memory): ${dialogue.name}`, async () => {
      await using peer = new MemoryPeer(dialogue.options);
      await playDialogue(dialogue, sending, { peer, intake: peer.intake });
    });

    test(`${file} (${sending}, over a socket): ${dialogue.name}`, async () => {
      await using server = await TestServer.start(dialogue.options);
      await using peer = await SocketPeer.connect(server.port);
      await playDialogue(dialogue, sending, { peer, intake: server.intake });
    });
  }
}
