import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommand } from './command.ts';

test('commands are read as RFC 1939 writes them, keywords in any case', () => {
  const table: Readonly<Record<string, ReturnType<typeof parseCommand>>> = {
    'USER anna@example.org': { verb: 'user', name: Buffer.from('anna@example.org') },
    'user  an na ': { verb: 'user', name: Buffer.from('an na') },
    'PASS  two  spaces ': { verb: 'pass', password: Buffer.from(' two  spaces ') },
    'auth plain': { verb: 'auth', mechanism: 'PLAIN' },
    'AUTH PLAIN =': { verb: 'auth', mechanism: 'PLAIN', initial: '=' },
    'APOP anna c4c9334bac560ecc979e58001b3e22fb': { verb: 'apop' },
    STAT: { verb: 'stat' },
    'quit ': { verb: 'quit' },
    LIST: { verb: 'list' },
    'list 7': { verb: 'list', message: 7 },
    'UIDL 007': { verb: 'uidl', message: 7 },
    'RETR 1': { verb: 'retr', message: 1 },
    'DELE 999999999': { verb: 'dele', message: 999_999_999 },
    'TOP 1 0': { verb: 'top', message: 1, lines: 0 },
  };
  for (const [line, command] of Object.entries(table)) assert.deepEqual(parseCommand(line), command, line);
});

test('what is no command, or has arguments that make no sense, is told apart', () => {
  for (const line of ['', ' STAT', 'EHLO x', 'STATX', '\u00e9', 'XTND XMIT'])
    assert.deepEqual(parseCommand(line), { verb: 'error', kind: 'unknown' }, line);
  const lines = ['USER', 'PASS', 'AUTH', 'AUTH a b c', 'AUTH ../x', 'STAT 1', 'RETR', 'RETR x', 'RETR 1 2'];
  for (const line of [...lines, 'RETR -1', 'RETR 1e3', 'DELE 0x1', 'TOP 1', 'TOP 1 2 3', 'LIST 9999999999'])
    assert.deepEqual(parseCommand(line), { verb: 'error', kind: 'arguments' }, line);
});
