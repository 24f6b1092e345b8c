/** Joins the parts of a Razor report into one message again. */
import { trimmedEnd } from '../content/spans.ts';

const maxParts = 1000;

/** The parts that a report of Razor has, each with a header of the agent, as one message again. */
export function wholeMessage(octets: Buffer): Buffer {
  const text = octets.toString('latin1');
  const at = text.indexOf('\r\nX-Razor2-Agent:');
  if (at < 0) return octets;
  // Parts beyond the usual number are left out: each one costs time of all clients.
  const parts = text.slice(at + 2).split(/\r\n(?=X-Razor2-Agent:)/, maxParts);
  const header = trimmedEnd(text.slice(0, at), '\n');
  const isMultipart = /^content-type:\s*multipart/im.test(header);
  if (!isMultipart) {
    const [only = ''] = parts;
    return Buffer.from(`${header}\n${only.slice(only.indexOf('\n\n') + 1)}`, 'latin1');
  }
  const boundary = 'razor-report-boundary';
  const kept = withoutField(header, 'content-type:');
  const inner = parts
    .map((part) => `--${boundary}\n${part.replace(/^X-Razor2-Agent:[^\n]*\n/, '')}\n`)
    .join('');
  return Buffer.from(
    `${kept}\nContent-Type: multipart/mixed; boundary="${boundary}"\n\n${inner}--${boundary}--\n`,
    'latin1',
  );
}

/** A header without a field and the lines that it goes on in, and without line ends at its end. */
function withoutField(header: string, name: string): string {
  let isOf = false;
  const kept = header.split('\n').filter((line) => {
    isOf = line.slice(0, name.length).toLowerCase() === name || (isOf && /^[ \t]/.test(line));
    return !isOf;
  });
  return trimmedEnd(kept.join('\n'), '\n');
}
