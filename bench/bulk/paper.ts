/** Documents of the shape of a PDF, and copies with other identifiers, dates and padding. */
import { type Noise, takeProse } from './campaigns.ts';
import type { Random } from './random.ts';

/** The objects of a document. */
export type Paper = readonly Buffer[];

/** Some 10 to 20 KB: text and what looks compressed. */
export function drawPaper(noise: Noise, random: Random): Paper {
  return Array.from({ length: 12 }, (_, i) => {
    const content =
      i % 2 === 0
        ? Buffer.from(
            `BT (${takeProse(noise, random, 120)
              .join(' ')
              .replace(/[()\\]/g, '')}) Tj ET`,
          )
        : Buffer.from(Array.from({ length: 1000 + random.int(1500) }, () => random.int(256)));
    return Buffer.concat([
      Buffer.from(`<< /Length ${content.length} >>\nstream\n`),
      content,
      Buffer.from('\nendstream'),
    ]);
  });
}

/** The file: its own /ID and dates, and up to 600 octets of comment before some of the objects. */
export function printPaper(paper: Paper, random: Random): Uint8Array {
  const day = String(1 + random.int(28)).padStart(2, '0');
  const parts: Buffer[] = [
    Buffer.from(`%PDF-1.4\n1 0 obj\n<< /CreationDate (D:202611${day}${random.int(240_000)}) >>\nendobj\n`),
  ];
  for (const [index, one] of paper.entries()) {
    if (random.chance(0.25)) parts.push(Buffer.from(`%${random.hex(1 + random.int(600))}\n`));
    parts.push(Buffer.from(`${index + 2} 0 obj\n`), one, Buffer.from('\nendobj\n'));
  }
  parts.push(Buffer.from(`trailer\n<< /ID [<${random.hex(32)}> <${random.hex(32)}>] >>\n%%EOF\n`));
  return Buffer.concat(parts);
}
