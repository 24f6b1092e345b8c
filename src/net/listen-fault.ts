/** Why an address cannot be listened on, for people. */
import { formatHostPort } from '../base/index.ts';

/** Where the privileged ports end. */
const firstFreePort = 1024;

/** Explains the system's error in words; undefined for an error that is not about listening at an address. */
export function listenFault(error: unknown): string | undefined {
  const { code, syscall, address, port }: Partial<NodeJS.ErrnoException & { address: string; port: number }> =
    Object(error);
  if (syscall !== 'listen' && syscall !== 'bind') return undefined;
  const place = port === undefined || address === undefined ? 'a listener' : formatHostPort(address, port);
  switch (code) {
    case 'EADDRINUSE':
      return `${place} is in use`;
    case 'EADDRNOTAVAIL':
      return `${place} is no address of this machine`;
    case 'EACCES':
    case 'EPERM':
      return port !== undefined && port < firstFreePort
        ? `${place} needs a privilege that the relay has not: a new port below ${firstFreePort} waits for a restart`
        : `${place}: permission denied`;
    default:
      return undefined;
  }
}
