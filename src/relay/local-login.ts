import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type LocalFiles, localUser } from '../config/index.ts';
import {
  editUsers,
  hashPassword,
  makeDevicePassword,
  makeScramVerifier,
  scramValue,
} from '../identity/index.ts';
import { selfSigned } from './self-signed.ts';

/**
 * Makes what the local profile needs for logins, where it is not there yet: a certificate that nobody has
 * signed, and a user who may send as anybody, since nothing leaves the machine. The password is written last:
 * where it is, everything else is.
 */
export async function prepareLocalLogin(files: LocalFiles, hostname: string): Promise<void> {
  if (existsSync(files.password)) return;
  await mkdir(dirname(files.cert), { recursive: true, mode: 0o700 });
  const { cert, key } = await selfSigned(hostname);
  await writeFile(files.key, key, { mode: 0o600 });
  await writeFile(files.cert, cert);
  const { password } = makeDevicePassword();
  const [hash, scram] = await Promise.all([hashPassword(password), makeScramVerifier(password)]);
  await editUsers(files.users, (users) => {
    users.set(localUser, 'senders', ['*']);
    users.set(localUser, 'hash', hash);
    users.set(localUser, 'scram', scramValue(scram));
  });
  await writeFile(files.password, `${password}\n`, { mode: 0o600 });
}
