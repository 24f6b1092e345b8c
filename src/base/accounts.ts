/** Looks up users and groups, and gives up the rights of root. */
import { readFileSync } from 'node:fs';

/** A user of the machine with the group it acts in. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** No user or group of that name. */
export class UnknownAccountError extends Error {
  readonly code = 'unknown-account';
}

/** Looks `user` or `user:group` up in the account files; numbers stand for themselves. */
export function findAccount(name: string): Account {
  const [user = '', group] = name.split(':');
  const passwd = findLine('/etc/passwd', user, 2);
  const uid = /^\d+$/.test(user) ? Number(user) : Number(passwd?.[2] ?? Number.NaN);
  const gid = group === undefined ? Number(passwd?.[3] ?? uid) : findGroup(group);
  if (!Number.isInteger(uid)) throw new UnknownAccountError(`no such user: "${user}"`);
  if (!Number.isInteger(gid)) throw new UnknownAccountError(`no such group: "${group ?? ''}"`);
  return { uid, gid };
}

/** The name of a user, or its number as text. */
export function userName(uid: number): string {
  return findLine('/etc/passwd', String(uid), 2)?.[0] ?? String(uid);
}

function findGroup(group: string): number {
  return /^\d+$/.test(group) ? Number(group) : Number(findLine('/etc/group', group, 2)?.[2] ?? Number.NaN);
}

/** The line whose first field, or whose field `number`, is `key`. */
function findLine(file: string, key: string, number: number): readonly string[] | undefined {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.map((line) => line.split(':')).find((fields) => fields[0] === key || fields[number] === key);
}

/**
 * Gives up root for good: supplementary groups, group, user, in this order. Does nothing for a process that
 * is not root.
 */
export function dropPrivileges({ uid, gid }: Account): void {
  if (process.getuid?.() !== 0 || uid === 0) return;
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
