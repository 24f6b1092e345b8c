/** Writes instants as header fields do. */

/** The second that was asked for last: all messages of a second have one date, and making it costs 0.9 µs. */
const recent = { second: Number.NaN, text: '' };

/** The instant as RFC 5322 §3.3 writes it, in UTC: `Thu, 01 Jan 2026 00:00:00 +0000`. */
export function formatDate(atMs: number): string {
  const second = Math.floor(atMs / 1000);
  if (second !== recent.second) {
    recent.text = `${new Date(atMs).toUTCString().slice(0, -3)}+0000`;
    recent.second = second;
  }
  return recent.text;
}
