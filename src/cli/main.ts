#!/usr/bin/env -S node --external-memory-accounted-in-global-limit --max-semi-space-size=8
import { basename } from 'node:path';

import { dispatch } from './dispatch.ts';
import { processIo } from './io.ts';

const calledAs = basename(process.argv[1] ?? 'posthouse').replace(/\.[jt]s$/, '');
const code = await dispatch(process.argv.slice(2), processIo(), calledAs);
// Whatever still holds the process (an open standard input) must not keep it; output goes first.
process.stdout.write('', () => process.exit(code));
