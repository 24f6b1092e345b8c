/**
 * A piece of the Internet in a namespace. `dns JSON`: answers for a zone; prints its address. `door PORT`: takes every
 * connection, says 421, and prints the address that was dialled, one a line.
 */
import { createServer } from 'node:net';
import { type FakeZone, startFakeDns } from '../../src/dns/testing.ts';

const [role, argument = ''] = process.argv.slice(2);
if (role === 'dns') {
  const zone: FakeZone = JSON.parse(argument);
  const { address } = await startFakeDns(zone);
  console.log(address);
} else {
  const server = createServer((socket) => {
    console.log(socket.localAddress);
    socket.on('error', () => {}).end('421 4.3.2 not today\r\n');
  });
  server.listen(Number(argument), '::', () => console.log('open'));
}
