import { generate } from 'selfsigned';

/** A certificate that nobody has signed but its own key, and that key. PEM. */
export interface SelfSigned {
  readonly cert: string;
  readonly key: string;
}

const yearsValid = 10;

/** Makes one for this name, for machines where a developer tries things out. */
export async function selfSigned(hostname: string): Promise<SelfSigned> {
  const notAfterDate = new Date();
  notAfterDate.setUTCFullYear(notAfterDate.getUTCFullYear() + yearsValid);
  const made = await generate([{ name: 'commonName', value: hostname }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate,
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: hostname },
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}
