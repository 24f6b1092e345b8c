/** Fuzz targets of this folder: requests and answers of the control socket. */
import assert from 'node:assert/strict';
import { ControlError } from './control-error.ts';
import { answerShape, parseLine, readLines, requestShape, uploadShape } from './control-protocol.ts';

export const fuzzTargets: readonly {
  readonly name: string;
  run(input: Uint8Array): Promise<void> | void;
}[] = [
  { name: 'admin/control-line', run: (input) => checkLine(Buffer.from(input).toString('utf8')) },
  { name: 'admin/control-lines', run: checkLines },
];

const starts = ['', '{"command":"', '{"chunk":"', '{"command":"change","args":{'];

function checkLine(input: string): void {
  for (const line of starts.map((start) => start + input)) {
    for (const shape of [requestShape, uploadShape, answerShape]) {
      try {
        parseLine<unknown>(shape, line);
      } catch (error) {
        if (!(error instanceof ControlError)) throw error;
      }
    }
  }
}

/** The lines are the same wherever the chunks end. */
async function checkLines(input: Uint8Array): Promise<void> {
  const size = ((input[0] ?? 0) % 16) + 1;
  const rest = input.subarray(1);
  const read = async (each: number): Promise<readonly string[]> => {
    const found: string[] = [];
    const pieces = async function* () {
      for (let at = 0; at < rest.length; at += each) yield rest.subarray(at, at + each);
    };
    try {
      for await (const line of readLines(pieces(), 40)) found.push(line);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      found.push(error.code);
    }
    return found;
  };
  assert.deepEqual(await read(size), await read(rest.length + 1));
}
