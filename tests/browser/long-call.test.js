import { test } from 'node:test';
import { longCall } from './harness/long-call.js';

// `make long-call` is the same at the length of a real one.
test('no second freezes while nonces go stale and the certificate is renewed', { timeout: 240_000 }, (context) =>
  longCall({ seconds: 50, nonceSeconds: 20, tell: (line) => context.diagnostic(line) }));
