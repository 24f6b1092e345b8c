/** Makes the certificate and the user of the local profile. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { selfSigned } from '../base/index.ts';
import { hasLocalLogin, type LocalFiles, localName, localUser } from '../config/index.ts';
import {
  editUsers,
  hashPassword,
  makeDevicePassword,
  makeScramVerifier,
  scramValue,
} from '../identity/index.ts';

/**
 * Makes the files for logins in the local profile, if they are missing or invalid: a self-signed certificate, and a
 * user who may send as anybody, since nothing leaves the machine. The password is written last: if it exists, all
 * files exist. Throws if a file cannot be made; the profile then has no logins.
 */
export async function prepareLocalLogin(files: LocalFiles): Promise<void> {
  if (hasLocalLogin(files)) return;
  await mkdir(dirname(files.cert), { recursive: true, mode: 0o700 });
  const { cert, key } = selfSigned(localName());
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
